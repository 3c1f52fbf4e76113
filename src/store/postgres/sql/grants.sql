grant usage on schema tower_logout to app;
grant select, insert, update, delete on tower_logout.revocation to app;
grant select, update on tower_logout.state to app;
