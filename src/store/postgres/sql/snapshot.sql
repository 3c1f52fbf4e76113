copy (select key, issued_through, retain_until from tower_logout.revocation) to stdout (format binary)
