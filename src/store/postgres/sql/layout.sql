create table if not exists tower_logout.state (
    singleton boolean primary key default true check (singleton), -- one row
    layout integer not null,
    epoch uuid not null default gen_random_uuid(), -- another one makes all nodes read everything again
    purged_through bigint not null default 0 check (purged_through >= 0)
);

create table if not exists tower_logout.revocation (
    key bytea primary key check (length(key) = 16),
    issued_through bigint not null check (issued_through >= 0),
    retain_until bigint not null check (retain_until >= 0),
    changed_in xid8 not null, -- the transaction that wrote this row last
    raised_in xid8 not null -- the transaction that raised issued_through last
);

create index if not exists revocation_changed_in on tower_logout.revocation (changed_in, key);
create index if not exists revocation_retain_until on tower_logout.revocation (retain_until);

insert into tower_logout.state (layout) values (1) on conflict do nothing;
analyze tower_logout.state; -- so that it is known to have one row
