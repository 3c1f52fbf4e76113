    select layout,
           pg_is_in_recovery() as standby,
           epoch::text,
           concat_ws(' ',
               extract(epoch from pg_postmaster_start_time()),
               extract(epoch from pg_stat_get_bgwriter_stat_reset_time())) as started, -- the latter is reset by a crash
           pg_relation_filenode($1::text::regclass)::text as file,
           pg_current_snapshot()::text as snapshot,
           purged_through
    from tower_logout.state
    limit 1
