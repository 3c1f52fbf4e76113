with here as materialized (
:here
)
select key, issued_through, retain_until, purged_through
from (select purged_through from here
      where layout = 1 and not standby and epoch = $2 and started = $3 and file = $4) as still
left join tower_logout.revocation on true
