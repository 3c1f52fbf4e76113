with status as materialized (
:status
)
select status.*,
       exists (select from tower_logout.revocation where key = any ($4) and issued_through >= $5)
           or (purged_through > 0 and purged_through >= $6) as revoked
from status
