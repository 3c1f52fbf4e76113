with due as (
    delete from tower_logout.revocation
    where ctid = any (array(
        select ctid from tower_logout.revocation
        where retain_until <= floor(extract(epoch from now()) * 1000)::bigint
          and (select layout from tower_logout.state) = 1
        limit $1 for update skip locked))
    returning retain_until
), fence as (
    update tower_logout.state
    set purged_through = greatest(purged_through, (select max(retain_until) from due))
    where exists (select from due)
)
select count(*) from due
