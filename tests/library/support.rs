//! Requests, and the metrics that they count.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};
use test_support::{clock, token, verifier};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_logout::{Claims, Logout, VerifiedToken, token::TokenVerifier};

pub(super) async fn verified(jti: &str) -> VerifiedToken<Claims> {
    verifier(&clock()).verify(&token(jti)).await.unwrap()
}

pub(super) async fn guarded<C: Send + Sync + 'static>(logout: &Logout<C>, value: Option<&str>) -> StatusCode {
    let inner = service_fn(async |_| Ok(Response::new(Empty::<Bytes>::new())));
    status(logout.layer().layer(inner), request("GET", value)).await
}

pub(super) async fn status<S, B>(service: S, request: Request<Empty<Bytes>>) -> StatusCode
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap().status()
}

pub(super) fn request(method: &str, value: Option<&str>) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method);
    value.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value)).body(Empty::new()).unwrap()
}

#[derive(Default)]
pub(super) struct Metrics {
    pub(super) counters: BTreeMap<String, u64>,
    pub(super) gauges: BTreeMap<String, f64>,
    pub(super) histograms: BTreeMap<String, Vec<f64>>,
}

pub(super) fn metrics_of(recorder: &DebuggingRecorder) -> Metrics {
    let mut seen = Metrics::default();
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let mut labels: Vec<_> = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        labels.sort();
        let name = key.name().to_owned() + &labels.concat();
        match value {
            DebugValue::Counter(count) => drop(seen.counters.insert(name, count)),
            DebugValue::Gauge(value) => drop(seen.gauges.insert(name, value.into_inner())),
            DebugValue::Histogram(values) => {
                assert_eq!(kind, MetricKind::Histogram);
                seen.histograms.insert(name, values.into_iter().map(f64::from).collect());
            }
        }
    }
    seen
}
