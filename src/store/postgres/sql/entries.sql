with here as materialized (
:here
)
select key, issued_through, retain_until, purged_through
from (select purged_through from here
      where layout = 1 and not standby and not narrowed and epoch = $4 and started = $5 and tables = $6) as still
left join tower_logout.revocation on true
