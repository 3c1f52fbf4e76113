select layout,
       pg_is_in_recovery() as standby,
       epoch::text,
       extract(epoch from pg_postmaster_start_time())::text as started,
       pg_relation_filenode($4::text::regclass)::text as file,
       exists (select from tower_logout.revocation where key = any ($1) and issued_through >= $2)
           or (purged_through > 0 and purged_through >= $3) as revoked
from tower_logout.state
