//! Promise: any sequence of logout tokens, in any order and with any repetition, leaves the set of
//! revocations that the rules for receivers define: each message is dated by the later of its
//! delivery and its `iat`, counts once, and revocations join by maximum.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, at};
use tower_logout::{
    clock::Timestamp,
    endpoint::BackchannelLogoutBuilder,
    revocation::{KeyKind, RevocationKey},
};

use super::support::{Api, logout_token, status};

/// What the provider has signed.
#[derive(Clone, Debug)]
struct Message {
    sid: Option<u8>,
    sub: Option<u8>,
    iat: u64,
    exp: Option<u64>,
    jti: u8,
}

impl Message {
    fn text(&self) -> String {
        let [sid, sub] = [self.sid, self.sub].map(|name| name.map_or(Value::Null, |name| name.to_string().into()));
        let exp = self.exp.map_or(Value::Null, Value::from);
        logout_token(json!({ "sid": sid, "sub": sub, "iat": self.iat, "exp": exp, "jti": self.jti.to_string() }))
    }
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    always_end_subject: bool,
    tokens_since_iat: bool,
    missing_expiry: bool,
}

impl Rules {
    fn set(self, mut builder: BackchannelLogoutBuilder) -> BackchannelLogoutBuilder {
        if self.always_end_subject {
            builder = builder.always_end_subject();
        }
        if self.tokens_since_iat {
            builder = builder.allow_tokens_since_iat();
        }
        if self.missing_expiry { builder.allow_missing_expiry() } else { builder }
    }

    /// The keys that a message ends, or `None` if it must be refused at this time.
    fn ends(self, message: &Message, now: u64) -> Option<Vec<RevocationKey>> {
        const SKEW: u64 = 30;
        let max_age = if message.exp.is_some() { 24 * 3600 } else { 300 };
        let is_dated_well = message.iat <= now + SKEW
            && message.exp.map_or(self.missing_expiry, |exp| now < exp + SKEW)
            && now < message.iat + max_age + SKEW;
        let session = message.sid.map(|sid| RevocationKey::session(ISSUER, &sid.to_string()));
        let subject = message.sub.map(|sub| RevocationKey::subject(ISSUER, &sub.to_string()));
        is_dated_well.then_some(())?;
        match (session, subject) {
            (None, subject) => Some(vec![subject?]),
            (Some(session), subject) if self.always_end_subject => Some(vec![session, subject?]),
            (Some(session), _) => Some(vec![session]),
        }
    }
}

/// What the rules define.
#[derive(Default)]
struct Model {
    revoked: BTreeMap<RevocationKey, Timestamp>,
    taken: BTreeSet<String>,
}

impl Model {
    /// Returns the status of the answer.
    fn deliver(&mut self, message: &Message, rules: Rules, now: u64) -> u16 {
        let Some(keys) = rules.ends(message, now) else { return 400 };
        if self.taken.insert(message.text()) {
            let date = if rules.tokens_since_iat { message.iat } else { now.max(message.iat) };
            for key in keys {
                let known = self.revoked.entry(key).or_default();
                *known = (*known).max(at(date));
            }
        }
        200
    }
}

fn message() -> impl Strategy<Value = Message> {
    let name = || proptest::option::weighted(0.8, 0..3_u8);
    let exp = proptest::option::weighted(0.8, prop_oneof![Just(120_u64), 0..600_u64, Just(200_000)]);
    (name(), name(), 0..400_u64, exp, 0..3_u8).prop_map(|(sid, sub, age, exp, jti)| {
        let iat = NOW + 60 - age;
        Message { sid, sub, iat, exp: exp.map(|lifetime| iat + lifetime), jti }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    any::<(bool, bool, bool)>().prop_map(|(always_end_subject, tokens_since_iat, missing_expiry)| Rules {
        always_end_subject,
        tokens_since_iat,
        missing_expiry,
    })
}

/// The revocations of tokens, by their keys, joined.
fn revoked(api: &Api) -> BTreeMap<RevocationKey, Timestamp> {
    let mut revoked = BTreeMap::<_, Timestamp>::new();
    for revocation in api.stored() {
        if revocation.key().kind() != KeyKind::SigningInput {
            let known = revoked.entry(revocation.key()).or_default();
            *known = (*known).max(revocation.issued_through());
        }
    }
    revoked
}

fn run(deliveries: &[(Message, u64)], rules: Rules) -> (BTreeMap<RevocationKey, Timestamp>, Model) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (api, mut model, mut now) = (Api::new(), Model::default(), NOW);
        let service = api.endpoint(|builder| rules.set(builder));
        for (message, later) in deliveries {
            now += later;
            api.clock.advance(Duration::from_secs(*later));
            let expected = model.deliver(message, rules, now);
            assert_eq!(status(&service, &message.text()).await, expected, "{message:?} at {now}");
        }
        let messages = api.stored().iter().filter(|known| known.key().kind() == KeyKind::SigningInput).count();
        assert_eq!(messages, model.taken.len(), "each message is remembered once");
        (revoked(&api), model)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_sequence_leaves_the_set_of_the_model(
        messages in proptest::collection::vec(message(), 1..6),
        deliveries in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0), 0..90_u64]), 0..16),
        rules in rules(),
    ) {
        let deliveries: Vec<_> = deliveries.iter().map(|(index, later)| (index.get(&messages).clone(), *later)).collect();
        let (revoked, model) = run(&deliveries, rules);
        prop_assert_eq!(revoked, model.revoked);
    }

    #[test]
    fn the_order_and_the_repetition_of_what_arrives_at_one_time_do_not_matter(
        messages in proptest::collection::vec(message(), 1..6),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        rules in rules(),
    ) {
        let once: Vec<_> = messages.iter().map(|message| (message.clone(), 0)).collect();
        let shuffled = order.iter().map(|index| (index.get(&messages).clone(), 0)).chain(once.iter().rev().cloned());
        prop_assert_eq!(run(&once, rules).0, run(&shuffled.collect::<Vec<_>>(), rules).0);
    }
}
