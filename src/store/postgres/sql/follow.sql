with new as (
    select *
    from ((select key, issued_through, retain_until, changed_in
           from tower_logout.revocation
           where changed_in = any ($5::text[]::xid8[]) and (changed_in, key) > ($6::text::xid8, $7::bytea)
             and pg_visible_in_snapshot(changed_in, (select coalesce($4::text, pg_current_snapshot()::text)::pg_snapshot))
           order by changed_in, key
           limit $10)
          union all
          (select key, issued_through, retain_until, changed_in
           from tower_logout.revocation
           where (changed_in, key) > ($8::text::xid8, $9::bytea)
             and pg_visible_in_snapshot(changed_in, (select coalesce($4::text, pg_current_snapshot()::text)::pg_snapshot))
           order by changed_in, key
           limit $10)) as unknown
    order by changed_in, key
    limit $10
), status as materialized (
:status
)
select status.*, new.key, new.issued_through, new.retain_until, new.changed_in::text as changed_in
from status left join new on true
