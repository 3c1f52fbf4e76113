with new as (
    select key, issued_through, retain_until, changed_in
    from tower_logout.revocation
    where (changed_in, key) > ($6::text::xid8, $7::bytea)
      and not pg_visible_in_snapshot(changed_in, (select $4::text::pg_snapshot))
      and pg_visible_in_snapshot(changed_in, (select coalesce($5::text, pg_current_snapshot()::text)::pg_snapshot))
    order by changed_in, key
    limit $8
), status as materialized (
:status
)
select status.*, new.key, new.issued_through, new.retain_until, new.changed_in::text as changed_in
from status left join new on true
