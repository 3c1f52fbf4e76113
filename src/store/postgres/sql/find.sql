with status as materialized (
:status
)
select status.*, found.key, found.issued_through, found.retain_until
from status left join tower_logout.revocation as found on found.key = $4
