select layout,
       pg_is_in_recovery() as standby,
       row_security_active('tower_logout.revocation') or row_security_active('tower_logout.state') as row_security,
       exists (select from tower_logout.revocation where key = any ($1) and issued_through >= $2)
           or (purged_through > 0 and purged_through >= $3) as revoked
from tower_logout.state
