//! Promise: a logout token is accepted exactly if it follows the standard, and every refusal looks
//! the same.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, hs256, sign_text};
use tower_logout::endpoint::BackchannelLogoutBuilder;

use super::support::{Answer, Api, CLIENT, EVENT, claims_with, deliver, form, logout_token, send, signed};

/// The only response to what is not accepted.
fn assert_refused(answer: &Answer, case: &str) {
    let body = r#"{"error":"invalid_request","error_description":"The logout token is not accepted."}"#;
    assert_eq!((answer.status, &*answer.body), (400, body), "{case}");
    let headers = [("cache-control", "no-store"), ("content-type", "application/json")];
    assert_eq!(answer.headers.len(), headers.len(), "{case}");
    assert!(headers.iter().all(|(name, value)| answer.header(name) == Some(*value)), "{case}: {:?}", answer.headers);
}

async fn assert_accepted_by(api: &Api, token: &str, case: &str) {
    let answer = deliver(&api.service(), token).await;
    assert_eq!((answer.status, &*answer.body), (200, ""), "{case}");
    assert_eq!((answer.headers.len(), answer.header("cache-control")), (1, Some("no-store")), "{case}");
    assert_eq!(api.stored().len(), 2, "{case}: the session and the message");
}

async fn assert_accepted(token: &str, case: &str) {
    assert_accepted_by(&Api::new(), token, case).await;
}

async fn refuse_with(
    settings: impl FnOnce(BackchannelLogoutBuilder) -> BackchannelLogoutBuilder,
    token: &str,
    case: &str,
) {
    let api = Api::new();
    assert_refused(&deliver(&api.endpoint(settings), token).await, case);
    assert!(api.stored().is_empty(), "{case}: nothing is revoked or remembered");
}

async fn refuse(token: &str, case: &str) {
    refuse_with(|builder| builder, token, case).await;
}

#[tokio::test]
async fn the_type_is_absent_or_that_of_a_logout_token_in_any_spelling() {
    for typ in
        ["JWT", "jwt", "logout+jwt", "LOGOUT+JWT", "Logout+Jwt", "application/logout+jwt", "Application/JWT"].map(Some)
    {
        assert_accepted(&signed(&json!({ "alg": "HS256", "typ": typ }), &claims_with(json!({}))), &format!("{typ:?}"))
            .await;
    }
    assert_accepted(&signed(&json!({ "alg": "HS256" }), &claims_with(json!({}))), "no type").await;
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT", "secevent+jwt", "dpop+jwt", "logout", "text/logout+jwt", ""] {
        refuse(&signed(&json!({ "alg": "HS256", "typ": typ }), &claims_with(json!({}))), typ).await;
    }
}

#[tokio::test]
async fn the_headers_that_no_receiver_may_ignore_are_refused() {
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "HS256", "b64": false }),
        json!({ "alg": "hs256" }),
        json!({ "alg": "HS512" }),
        json!({ "typ": "logout+jwt" }),
    ] {
        refuse(&signed(&header, &claims_with(json!({}))), &header.to_string()).await;
    }
    let token = logout_token(json!({}));
    let (input, signature) = token.rsplit_once('.').unwrap();
    for forged in [
        format!("{input}."),
        input.to_owned(),
        format!("{input}.{}", "A".repeat(signature.len())),
        format!("{token}."),
        format!("{token}%3D"),
        format!(" {token}"),
        format!("{token}%0A"),
        String::new(),
        ".".repeat(60_000),
        "..".to_owned(),
    ] {
        refuse(&forged, &forged[..forged.len().min(40)]).await;
    }
}

#[tokio::test]
async fn access_tokens_and_id_tokens_are_no_logout_tokens() {
    let access = hs256(&test_support::claims("1"));
    refuse(&access, "an access token").await;
    let id_token = json!({
        "iss": ISSUER, "aud": CLIENT, "iat": NOW, "exp": NOW + 120, "sub": "usr_123", "sid": "ses_1", "nonce": "n",
    });
    refuse(&signed(&json!({ "alg": "HS256", "typ": "JWT" }), &id_token), "an ID token").await;
}

#[tokio::test]
async fn a_nonce_of_any_value_is_refused() {
    for nonce in ["null", r#""""#, r#""n""#, "0", "false", "[]"] {
        let claims = claims_with(json!({ "nonce": "?" })).to_string().replace(r#""?""#, nonce);
        refuse(&signed_text(&claims), nonce).await;
    }
}

fn signed_text(claims: &str) -> String {
    let key = EncodingKey::from_secret(test_support::SECRET).unwrap();
    sign_text(r#"{"alg":"HS256"}"#, claims, Algorithm::HS256, &key)
}

#[tokio::test]
async fn the_event_is_a_member_whose_value_is_an_object() {
    for events in [
        json!({ EVENT: {} }),
        json!({ EVENT: { "anything": [1, { "deep": null }] } }),
        // Keycloak, if offline sessions end too.
        json!({ EVENT: {}, "revoke_offline_access": true }),
        json!({ "http://schemas.openid.net/event/foobar": null, EVENT: {} }),
    ] {
        assert_accepted(&logout_token(json!({ "events": events })), &events.to_string()).await;
    }
    for events in [
        json!({ EVENT: null }),
        json!({ EVENT: "" }),
        json!({ EVENT: "{}" }),
        json!({ EVENT: [] }),
        json!({ EVENT: true }),
        json!({ EVENT: 1 }),
        json!({}),
        json!([]),
        json!([EVENT]),
        json!(EVENT),
        json!(true),
        json!(1),
        json!({ "http://schemas.openid.net/event/foobar": {} }),
        json!({ "https://schemas.openid.net/event/backchannel-logout": {} }),
        json!({ format!("{EVENT}/"): {} }),
    ] {
        refuse(&logout_token(json!({ "events": events })), &events.to_string()).await;
    }
    refuse(&logout_token(json!({ "events": null })), "no events").await;
    let twice = format!(r#"{{"{EVENT}":{{}},"{EVENT}":{{}}}}"#);
    let claims = claims_with(json!({ "events": "?" })).to_string().replace(r#""?""#, &twice);
    refuse(&signed_text(&claims), "the event is there twice").await;
}

#[tokio::test]
async fn required_claims_are_present_and_of_the_right_type() {
    for (name, wrong) in [
        ("iss", &[json!(1), json!([ISSUER]), json!("")][..]),
        ("aud", &[json!(1), json!({}), json!([1]), json!([[CLIENT]]), json!([])]),
        ("iat", &[json!("now"), json!(NOW.to_string()), json!(-1), json!([NOW])]),
        ("exp", &[json!("soon"), json!((NOW + 60).to_string()), json!(-1), json!({})]),
        ("jti", &[json!(1), json!(""), json!(["a"])]),
        ("sub", &[json!(1), json!(""), json!(["usr_123"]), json!({}), json!(true)]),
        ("sid", &[json!(1), json!(""), json!(["ses_1"]), json!({}), json!(false)]),
        ("nbf", &[json!("now"), json!(-1)]),
        ("azp", &[json!(1), json!(["shop"])]),
    ] {
        for value in wrong {
            let mut claims = claims_with(json!({}));
            claims[name] = value.clone();
            refuse(&signed(&json!({ "alg": "HS256" }), &claims), &format!("{name}: {value}")).await;
        }
        let mut claims = claims_with(json!({}));
        claims[name] = Value::Null;
        refuse(&signed(&json!({ "alg": "HS256" }), &claims), &format!("{name}: null")).await;
    }
    for name in ["iss", "aud", "iat", "exp", "jti"] {
        refuse(&logout_token(json!({ name: null })), &format!("no {name}")).await;
    }
    refuse(&logout_token(json!({ "sub": null, "sid": null })), "neither sub nor sid").await;
    for text in ["[]", "null", "", "{", "{}x", r#""{}""#] {
        refuse(&signed_text(text), text).await;
    }
}

#[tokio::test]
async fn no_claim_that_counts_may_be_present_twice() {
    let claims = claims_with(json!({ "nbf": NOW, "azp": CLIENT })).to_string();
    assert_accepted(&signed_text(&claims), "each once").await;
    for name in ["iss", "aud", "azp", "iat", "exp", "nbf", "jti", "sub", "sid", "events"] {
        let value = &claims_with(json!({ "nbf": NOW, "azp": CLIENT }))[name];
        let twice = format!("{{\"{name}\":{value},{}", &claims[1..]);
        refuse(&signed_text(&twice), name).await;
    }
    let ignored = format!(r#"{{"ignored_claim":1,"ignored_claim":2,{}"#, &claims[1..]);
    assert_accepted(&signed_text(&ignored), "ignored claims").await;
}

#[tokio::test]
async fn the_issuer_is_compared_exactly() {
    for other in
        ["https://issuer.example/", "https://ISSUER.example", "http://issuer.example", " https://issuer.example"]
    {
        refuse(&logout_token(json!({ "iss": other })), other).await;
    }
}

#[tokio::test]
async fn the_audience_is_a_client_of_this_service() {
    for aud in [json!(CLIENT), json!([CLIENT]), json!(["other", CLIENT]), json!([CLIENT, "other"])] {
        assert_accepted(&logout_token(json!({ "aud": aud })), &aud.to_string()).await;
    }
    for aud in [json!("other"), json!(["other"]), json!("SHOP"), json!("shop "), json!("https://api.example")] {
        refuse(&logout_token(json!({ "aud": aud })), &aud.to_string()).await;
    }
}

#[tokio::test]
async fn with_several_audiences_the_authorized_party_is_a_client_of_this_service() {
    let several = json!([CLIENT, "other"]);
    assert_accepted(&logout_token(json!({ "aud": several, "azp": CLIENT })), "own").await;
    refuse(&logout_token(json!({ "aud": several, "azp": "other" })), "foreign").await;
    assert_accepted(&logout_token(json!({ "aud": [CLIENT], "azp": "other" })), "one audience").await;
    let both = |builder: BackchannelLogoutBuilder| builder.client("other");
    let api = Api::new();
    let token = logout_token(json!({ "aud": several, "azp": "other" }));
    assert_eq!(deliver(&api.endpoint(both), &token).await.status, 200);
}

#[tokio::test]
async fn each_of_several_clients_is_accepted() {
    for aud in [CLIENT, "app", "desk"] {
        let api = Api::new();
        let service = api.endpoint(|builder| builder.client("app").client("desk"));
        assert_eq!(deliver(&service, &logout_token(json!({ "aud": aud }))).await.status, 200, "{aud}");
    }
}

#[tokio::test]
async fn dates_are_judged_with_the_clock_skew() {
    // The skew is 30 s, the leeway 0.
    for (case, changes, now, accepted) in [
        ("just issued ahead", json!({ "iat": NOW + 30, "exp": NOW + 150 }), NOW, true),
        ("issued in the future", json!({ "iat": NOW + 31, "exp": NOW + 151 }), NOW, false),
        ("far in the future", json!({ "iat": 4_000_000_000_u64, "exp": 4_000_000_100_u64 }), NOW, false),
        ("the end of time", json!({ "iat": u64::MAX, "exp": u64::MAX }), NOW, false),
        ("about to expire", json!({ "exp": NOW + 120 }), NOW + 149, true),
        ("expired", json!({ "exp": NOW + 120 }), NOW + 150, false),
        ("expired long ago", json!({ "exp": 1 }), NOW, false),
        ("not before the present", json!({ "nbf": NOW + 30 }), NOW, true),
        ("not before the future", json!({ "nbf": NOW + 31 }), NOW, false),
        ("valid for ever", json!({ "exp": u64::MAX }), NOW, true),
        ("valid for ever, a day later", json!({ "exp": u64::MAX }), NOW + 24 * 3600 + 29, true),
        ("valid for ever, and old", json!({ "exp": u64::MAX }), NOW + 24 * 3600 + 30, false),
        ("fractions", json!({ "iat": 1_458_786_000.5, "exp": 1_458_786_120.5 }), NOW, true),
    ] {
        let api = Api::new();
        api.clock.set(test_support::at(now));
        let answer = deliver(&api.service(), &logout_token(changes)).await;
        assert_eq!(answer.status, if accepted { 200 } else { 400 }, "{case}");
        assert_eq!(api.stored().is_empty(), !accepted, "{case}");
    }
}

#[tokio::test]
async fn a_token_without_expiry_is_accepted_by_choice_and_for_minutes() {
    let token = logout_token(json!({ "exp": null }));
    refuse(&token, "by default").await;
    let allowed = |builder: BackchannelLogoutBuilder| builder.allow_missing_expiry();
    for (now, status) in [(NOW, 200), (NOW + 329, 200), (NOW + 330, 400), (NOW - 30, 200), (NOW - 31, 400)] {
        let api = Api::new();
        api.clock.set(test_support::at(now));
        assert_eq!(deliver(&api.endpoint(allowed), &token).await.status, status, "{now}");
    }
    let hour = std::time::Duration::from_secs(3600);
    for (now, status) in [(NOW + 3629, 200), (NOW + 3630, 400)] {
        let api = Api::new();
        api.clock.set(test_support::at(now));
        let service = api.endpoint(|builder| builder.allow_missing_expiry().max_age(hour));
        assert_eq!(deliver(&service, &token).await.status, status, "{now}");
        let forever = logout_token(json!({ "exp": u64::MAX }));
        assert_eq!(deliver(&service, &forever).await.status, status, "{now}: whatever the expiry");
    }
}

#[tokio::test]
async fn what_a_provider_sends_besides_is_ignored() {
    let token = logout_token(json!({ "ignored_claim": "x", "auth_time": "never", "client_id": 1, "cnf": {} }));
    assert_accepted(&token, "claims").await;
    let api = Api::new();
    let answer = send(&api.service(), form(format!("ignored_parameter=1&logout_token={token}&state"))).await;
    assert_eq!(answer.status, 200);
}
