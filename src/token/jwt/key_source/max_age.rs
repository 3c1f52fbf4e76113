//! [`max_age`]: how long a response may be used according to its server.

use std::time::Duration;

use http::{HeaderMap, header::CACHE_CONTROL};

/// Returns the `max-age` of a response (RFC 9111, section 5.2.2.1). The first one counts; a value
/// that is too large counts as the largest, and one that is malformed as absent. The directives
/// `no-cache` and `no-store` count as zero.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-cache") || name.eq_ignore_ascii_case("no-store") {
            return Some(Duration::ZERO);
        }
        let digits = name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"'))?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_max_age_counts() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            max_age(&headers).map(|age| age.as_secs())
        };
        for (values, expected) in [
            (&[][..], None),
            (&["max-age=600"], Some(600)),
            (&["public, Max-Age=\"60\", must-revalidate"], Some(60)),
            (&["public", "max-age=7"], Some(7)),
            (&["max-age=1, max-age=2"], Some(1)),
            (&["s-maxage=5"], None),
            (&["max-age"], None),
            (&["max-age=-1"], None),
            (&["max-age=1.5"], None),
            (&["max-age=99999999999999999999999999"], Some(u64::MAX)),
            (&["no-store, max-age=0"], Some(0)),
            (&["no-cache"], Some(0)),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }
}
