    select layout,
           pg_is_in_recovery() as standby,
           pg_catalog.row_security_active('tower_logout.revocation')
               or pg_catalog.row_security_active('tower_logout.state') as row_security,
           epoch::text,
           concat_ws(' ', extract(epoch from pg_postmaster_start_time()), :crash) as started,
           (select concat_ws(' ', entries.oid, pg_relation_filenode(entries.oid), facts.oid)
            from pg_catalog.pg_class as entries, pg_catalog.pg_class as facts
            where entries.oid = 'tower_logout.revocation'::regclass and facts.oid = 'tower_logout.state'::regclass
              and entries.relkind = 'r' and facts.relkind = 'r'
              and entries.relpersistence = 'p' and facts.relpersistence = 'p') as tables,
           exists (
               select from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as known (key, issued_through, retain_until)
               where known.retain_until > purged_through
                 and not exists (
                     select from tower_logout.revocation as kept
                     where kept.key = known.key and kept.issued_through >= known.issued_through
                       and kept.retain_until >= known.retain_until)) as lost,
           longest.key as longest_key,
           longest.issued_through as longest_issued_through,
           longest.retain_until as longest_retain_until,
           pg_current_snapshot()::text as snapshot,
           purged_through
    from (select) as always
    left join tower_logout.state on true
    left join lateral (
        select key, issued_through, retain_until from tower_logout.revocation order by retain_until desc limit 1
    ) as longest on true
    limit 1
