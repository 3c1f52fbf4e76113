with settings as materialized (
    select set_config('lock_timeout', $4, true),
           set_config('synchronous_commit',
               case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true)
), status as materialized (
    select layout, purged_through,
           pg_catalog.row_security_active('tower_logout.revocation')
               or pg_catalog.row_security_active('tower_logout.state') as row_security
    from (select) as always left join tower_logout.state on true
), written as (
    insert into tower_logout.revocation as known (key, issued_through, retain_until, changed_in, raised_in)
    select $1, $2, $3, pg_current_xact_id(), pg_current_xact_id()
    from status, settings
    where layout = 1 and not row_security and not (purged_through > 0 and purged_through >= $3)
    on conflict (key) do update set
        issued_through = greatest(known.issued_through, excluded.issued_through),
        retain_until = greatest(known.retain_until, excluded.retain_until),
        changed_in = excluded.changed_in,
        raised_in = case when excluded.issued_through > known.issued_through
            then excluded.raised_in else known.raised_in end
    where excluded.issued_through > known.issued_through or excluded.retain_until > known.retain_until
    returning key, issued_through, retain_until, raised_in = changed_in as newly
)
select layout, row_security, newly,
       exists (
           select from (select key, issued_through, retain_until from written
                        union all
                        select key, issued_through, retain_until from tower_logout.revocation where key = $1) as kept
           where kept.key = $1 and kept.issued_through >= $2 and kept.retain_until >= $3)
           or coalesce(purged_through > 0 and purged_through >= $3, false) as stored
from status left join written on true
