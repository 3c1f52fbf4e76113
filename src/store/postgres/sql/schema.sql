create schema if not exists tower_logout
