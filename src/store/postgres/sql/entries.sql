select key, issued_through, retain_until, (select purged_through from tower_logout.state)
from tower_logout.revocation
