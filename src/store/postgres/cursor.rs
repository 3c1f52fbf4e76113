//! [`PostgresCursor`]: a position in the log.

use super::{identity::LogIdentity, status::TableStatus, value::Value};

/// Position in the log of a [`PostgresStore`](crate::PostgresStore): everything before it is known.
#[derive(Clone, Debug)]
pub struct PostgresCursor {
    pub(super) log: LogIdentity,
    /// A `pg_snapshot`: all changes that are visible in it are known.
    pub(super) snapshot: String,
    /// The end of the last page, while the changes after the snapshot are read page by page.
    pub(super) page_end: Option<PageEnd>,
    /// Whether more changes can be read at once.
    pub(super) has_more: bool,
}

impl PostgresCursor {
    /// Returns the evidence that the log no longer reaches back to this cursor, or `None` if it
    /// does reach back.
    pub(super) fn lost_reason(&self, status: &TableStatus) -> Option<&'static str> {
        self.log.difference(&status.identity).or(status.lost.then_some("rows were deleted before they had expired"))
    }
}

/// The last row of a page of the changes between two snapshots.
#[derive(Clone, Debug)]
pub(super) struct PageEnd {
    /// The later snapshot, which was taken when the first page was read.
    pub(super) until: String,
    pub(super) changed_in: String,
    pub(super) key: Vec<u8>,
}

/// A cursor as parameters of the statement that reads the changes after it.
///
/// A snapshot knows the transactions before its `xmax` that were not running, which are listed in
/// it. Rows are therefore read of those that were running, and of all from `xmax` on, without
/// looking again at what was written while a transaction is running for long.
pub(super) struct FollowParams<'a> {
    until: Option<&'a str>,
    running: Vec<&'a str>,
    running_after: (&'a str, &'a [u8]),
    new_after: (&'a str, &'a [u8]),
    page: i64,
}

impl<'a> FollowParams<'a> {
    pub(super) fn new(cursor: &'a PostgresCursor) -> Self {
        let mut parts = cursor.snapshot.split(':').skip(1);
        let xmax = parts.next().unwrap_or("0");
        let running = parts.next().unwrap_or_default().split(',').filter(|number| !number.is_empty()).collect();
        let start = Self {
            until: None,
            running,
            running_after: ("0", &[]),
            new_after: (xmax, &[]),
            page: if cursor.has_more { PAGE } else { FIRST_PAGE },
        };
        let Some(end) = &cursor.page_end else { return start };
        let (until, after) = (Some(&*end.until), (&*end.changed_in, &*end.key));
        if number(&end.changed_in) < number(xmax) {
            Self { until, running_after: after, ..start }
        } else {
            Self { until, running: Vec::new(), new_after: after, ..start }
        }
    }

    /// Parameters with which nothing is found.
    pub(super) fn nothing() -> Self {
        Self { until: None, running: vec!["3"], running_after: NEVER, new_after: NEVER, page: PAGE }
    }

    /// The maximum number of rows that are read.
    pub(super) fn page(&self) -> i64 {
        self.page
    }

    /// The parameters `$4` to `$10` of `sql/follow.sql`.
    pub(super) fn into_values(self) -> [Value<'a>; 7] {
        [
            Value::Text(self.until),
            Value::Texts(self.running),
            Value::Text(Some(self.running_after.0)),
            Value::Key(self.running_after.1),
            Value::Text(Some(self.new_after.0)),
            Value::Key(self.new_after.1),
            Value::Number(self.page),
        ]
    }
}

fn number(transaction: &str) -> u64 {
    transaction.parse().unwrap_or_default()
}

/// The greatest number of a transaction, which none has.
const NEVER: (&str, &[u8]) = ("18446744073709551615", &[]);
/// Maximum number of rows that a follower reads first. It is small, so that the server uses the
/// index even if it does not know yet how many rows there are.
const FIRST_PAGE: i64 = 2000;
/// Maximum number of rows that a follower reads at once while there are more.
const PAGE: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(page_end: Option<&str>) -> PostgresCursor {
        let log = LogIdentity { epoch: String::new(), started: String::new(), tables: String::new() };
        let end = |changed_in: &str| PageEnd { until: "30:30:".into(), changed_in: changed_in.into(), key: vec![7] };
        PostgresCursor {
            log,
            snapshot: "10:20:10,12".into(),
            page_end: page_end.map(end),
            has_more: page_end.is_some(),
        }
    }

    #[test]
    fn what_was_running_and_what_is_new_is_read_once_however_the_pages_end() {
        let start = cursor(None);
        let start = FollowParams::new(&start);
        assert_eq!(start.running, ["10", "12"]);
        assert_eq!((start.running_after, start.new_after, start.until), (("0", &[][..]), ("20", &[][..]), None));
        let within = cursor(Some("12"));
        let within = FollowParams::new(&within);
        assert_eq!(within.running, ["10", "12"]);
        assert_eq!((within.running_after, within.new_after), (("12", &[7][..]), ("20", &[][..])));
        let beyond = cursor(Some("100"));
        let beyond = FollowParams::new(&beyond);
        assert!(beyond.running.is_empty());
        assert_eq!((beyond.new_after, beyond.until), (("100", &[7][..]), Some("30:30:")));
    }
}
