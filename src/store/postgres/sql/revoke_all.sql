with settings as materialized (
    select set_config('lock_timeout', $4, true),
           set_config('synchronous_commit',
               case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, true)
), status as materialized (
    select layout, purged_through,
           pg_catalog.row_security_active('tower_logout.revocation')
               or pg_catalog.row_security_active('tower_logout.state') as row_security
    from (select) as always left join tower_logout.state on true
), given as materialized (
    -- In subqueries, so that the plan does not depend on the number, and is made once.
    select * from unnest((select $1::bytea[]), (select $2::bigint[]), (select $3::bigint[]))
        as given (key, issued_through, retain_until)
), written as (
    insert into tower_logout.revocation as known (key, issued_through, retain_until, changed_in, raised_in)
    select key, issued_through, retain_until, pg_current_xact_id(), pg_current_xact_id()
    from given, status, settings
    where layout = 1 and not row_security and not (purged_through > 0 and purged_through >= retain_until)
    order by key -- all transactions lock the rows in this order
    on conflict (key) do update set
        issued_through = greatest(known.issued_through, excluded.issued_through),
        retain_until = greatest(known.retain_until, excluded.retain_until),
        changed_in = excluded.changed_in,
        raised_in = case when excluded.issued_through > known.issued_through
            then excluded.raised_in else known.raised_in end
    where excluded.issued_through > known.issued_through or excluded.retain_until > known.retain_until
    returning key, issued_through, retain_until, raised_in = changed_in as newly
)
select layout, row_security, given.key, written.newly,
       exists (
           select from (select written.key, written.issued_through, written.retain_until
                        union all
                        select key, issued_through, retain_until from tower_logout.revocation as kept
                        where kept.key = given.key) as kept
           where kept.key = given.key
             and kept.issued_through >= given.issued_through and kept.retain_until >= given.retain_until)
           or coalesce(purged_through > 0 and purged_through >= given.retain_until, false) as stored
from status cross join given left join written on written.key = given.key
