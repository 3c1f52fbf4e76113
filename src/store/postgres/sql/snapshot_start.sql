with status as materialized (
:status
)
select status.*,
       greatest(pg_stat_get_live_tuples('tower_logout.revocation'::regclass),
           (select reltuples::bigint from pg_catalog.pg_class where oid = 'tower_logout.revocation'::regclass)) as expected
from status
