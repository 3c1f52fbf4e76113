select current_setting('server_version_num')::integer, pg_is_in_recovery(), to_regclass('tower_logout.state') is not null
