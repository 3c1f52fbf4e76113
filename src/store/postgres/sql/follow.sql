with here as materialized (
:here
), new as (
    select key, issued_through, retain_until, changed_in
    from tower_logout.revocation
    where (changed_in, key) > ($4::text::xid8, $5::bytea)
      and not pg_visible_in_snapshot(changed_in, (select $2::text::pg_snapshot))
      and pg_visible_in_snapshot(changed_in, (select coalesce($3::text, snapshot)::pg_snapshot from here))
    order by changed_in, key
    limit $6
)
select layout, standby, epoch, started, file, snapshot, key, issued_through, retain_until, changed_in::text, purged_through
from here left join new on true
