with here as materialized (
:here
)
select layout, standby, epoch, started, file,
       exists (select from tower_logout.revocation where key = any ($2) and issued_through >= $3)
           or (purged_through > 0 and purged_through >= $4) as revoked
from here
