select layout,
       pg_is_in_recovery() as standby,
       epoch::text,
       extract(epoch from pg_postmaster_start_time())::text as started,
       pg_relation_filenode($1::text::regclass)::text as file,
       pg_current_snapshot()::text as snapshot,
       greatest(pg_stat_get_live_tuples($1::text::regclass),
           (select reltuples::bigint from pg_class where oid = $1::text::regclass)) as expected
from tower_logout.state
