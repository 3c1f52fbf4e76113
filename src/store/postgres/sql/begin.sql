with here as materialized (
:here
)
select layout, standby, epoch, started, file, snapshot,
       greatest(pg_stat_get_live_tuples($1::text::regclass),
           (select reltuples::bigint from pg_class where oid = $1::text::regclass)) as expected
from here
