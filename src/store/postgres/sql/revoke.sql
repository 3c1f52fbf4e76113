with durable as materialized (
    select set_config('lock_timeout', $4, true),
           set_config('synchronous_commit',
               case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true)
), written as (
    insert into tower_logout.revocation as known (key, issued_through, retain_until, changed_in, raised_in)
    select $1, $2, $3, pg_current_xact_id(), pg_current_xact_id()
    from tower_logout.state, durable
    where layout = 1 and not (purged_through > 0 and purged_through >= $3)
    on conflict (key) do update set
        issued_through = greatest(known.issued_through, excluded.issued_through),
        retain_until = greatest(known.retain_until, excluded.retain_until),
        changed_in = excluded.changed_in,
        raised_in = case when excluded.issued_through > known.issued_through
            then excluded.raised_in else known.raised_in end
    where excluded.issued_through > known.issued_through or excluded.retain_until > known.retain_until
    returning raised_in = changed_in as newly
)
select layout, newly from tower_logout.state left join written on true
