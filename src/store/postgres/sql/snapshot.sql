with status as materialized (
:status
)
select key, issued_through, retain_until, purged_through
from (select purged_through from status
      where layout = 1 and not standby and not row_security and epoch = $4 and started = $5 and tables = $6) as unchanged
left join tower_logout.revocation on true
