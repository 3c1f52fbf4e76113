with due as (
    delete from only tower_logout.revocation
    where ctid = any (array(
        select ctid from only tower_logout.revocation
        where retain_until <= floor(extract(epoch from now()) * 1000)::bigint
          and (select layout from tower_logout.state) = 1
        limit $1 for update skip locked))
    returning retain_until
), watermark as (
    update tower_logout.state
    set purged_through = greatest(purged_through, (select max(retain_until) from due))
    where exists (select from due)
    returning purged_through
)
-- Without a raised watermark, the division by zero undoes the deletion.
select count(*) / case when count(*) = 0 or exists (select from watermark) then 1 else 0 end from due
