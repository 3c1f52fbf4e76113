-- Rows that were restored from another server carry numbers of that server's transactions.
update tower_logout.revocation set changed_in = pg_current_xact_id(), raised_in = '3'
where changed_in >= pg_snapshot_xmax(pg_current_snapshot())
