select quote_ident(current_user) as role, missing.rights, missing.object
from pg_catalog.pg_namespace as home
cross join lateral (
    select 'usage' as rights, 'schema ' || quote_ident(home.nspname) as object
    where not has_schema_privilege(home.oid, 'usage')
    union all
    select string_agg(needed.right, ', ' order by needed.place),
           quote_ident(home.nspname) || '.' || quote_ident(tables.relname)
    from pg_catalog.pg_class as tables
    join (values ('revocation', 'select', 1), ('revocation', 'insert', 2), ('revocation', 'update', 3),
                 ('revocation', 'delete', 4), ('state', 'select', 1), ('state', 'update', 2))
        as needed (name, "right", place) on needed.name = tables.relname
    where tables.relnamespace = home.oid and not has_table_privilege(tables.oid, needed.right)
    group by tables.relname
) as missing
where home.nspname = $1
