//! What local targets keep, beyond AWS: `GET /_ferrite/v1/targets…`.
//!
//! `/targets` lists streams, tables and buckets; `/targets/{sqs|sns|kinesis|firehose}/{name}` reads
//! records from `offset`; `/targets/dynamodb/{table}` items; `/targets/s3/{bucket}` objects, by
//! `prefix` and `after`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use service::{Access, ApiError, Cx, RawRequest, RawResponse, RawRoute, RouteMatch};
use targets::{Caller, StreamName, TargetError, Targets};

use crate::engine::Engine;

const PATH: &str = "/_ferrite/v1/targets";
/// Services that keep streams.
const STREAMS: [&str; 4] = ["sqs", "sns", "kinesis", "firehose"];
/// Streams, tables and buckets that are listed of each kind.
const LISTED_MAX: u32 = 1000;

/// The route of this module.
pub(crate) fn route(engine: &Arc<Engine>) -> RawRoute {
    let engine = Arc::clone(engine);
    let matches = RouteMatch::Prefix("GET", PATH);
    RawRoute::new(matches, Access::Signed, "BrowseTargets", move |cx: Cx, request| {
        let engine = Arc::clone(&engine);
        async move { answer(&engine.world.outside.targets, &cx, &request).await }
    })
}

async fn answer(targets: &Targets, cx: &Cx, request: &RawRequest) -> Result<RawResponse, ApiError> {
    if !cx.caller.is_root {
        let message = "Only an access key without a policy may see what targets keep.";
        return Err(ApiError::new("AccessDeniedException", message));
    }
    let rest = request.path.strip_prefix(PATH).unwrap_or_default();
    let levels: Vec<String> = rest.split('/').skip(1).map(decoded).collect();
    let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
    let told = match levels.as_slice() {
        [] | [""] => list(targets, cx).await,
        ["dynamodb", table] => items(targets, cx, table, request).await,
        ["s3", bucket] => objects(targets, bucket, request).await,
        [service, name] if STREAMS.contains(service) => {
            records(targets, cx, service, name, request).await
        }
        _ => Err(ApiError::not_found(
            "Ask for /_ferrite/v1/targets, or below it for sqs/QUEUE, sns/TOPIC, kinesis/STREAM, \
             firehose/STREAM, dynamodb/TABLE or s3/BUCKET.",
        )),
    };
    RawResponse::json(&told?)
}

async fn list(targets: &Targets, cx: &Cx) -> Result<Value, ApiError> {
    let (streams, _) =
        targets.local_streams(cx.tenant.id, None, LISTED_MAX).await.map_err(unreadable)?;
    let caller = caller(cx);
    let (tables, _) =
        targets.dynamodb().local_tables(&caller, None, LISTED_MAX).await.map_err(unreadable)?;
    let buckets = targets.s3().local_buckets().await.map_err(unreadable)?;
    let streams = streams.into_iter().map(|it| json!({ "service": it.service, "name": it.name }));
    Ok(json!({ "streams": streams.collect::<Vec<_>>(), "tables": tables, "buckets": buckets }))
}

async fn records(
    targets: &Targets,
    cx: &Cx,
    service: &str,
    name: &str,
    request: &RawRequest,
) -> Result<Value, ApiError> {
    let offset = number(request, "offset")?.unwrap_or_default();
    let (service, name) = (service.to_owned(), name.to_owned());
    let stream = StreamName { tenant: cx.tenant.id, service, name };
    let page =
        targets.read_local(&stream, offset, limit(cx, request)?).await.map_err(unreadable)?;
    let records = page.records.iter().map(|record| {
        let text = std::str::from_utf8(&record.data).ok();
        json!({
            "offset": record.offset,
            "at": record.time.millis(),
            "label": record.label,
            "data": text,
            "dataBase64": text.is_none().then(|| STANDARD.encode(&record.data)),
        })
    });
    Ok(json!({ "records": records.collect::<Vec<_>>(), "nextOffset": page.next_offset }))
}

async fn items(
    targets: &Targets,
    cx: &Cx,
    table: &str,
    request: &RawRequest,
) -> Result<Value, ApiError> {
    let wrong = |_| ApiError::invalid("after is none that was given.");
    let after =
        request.query_value("after").map(|text| URL_SAFE_NO_PAD.decode(text).map_err(wrong));
    let limit = u32::try_from(limit(cx, request)?).unwrap_or(1);
    let page = targets.dynamodb().scan_local(&caller(cx), table, after.transpose()?, limit).await;
    let page = page.map_err(unreadable)?;
    let next = page.next.map(|next| URL_SAFE_NO_PAD.encode(next));
    Ok(json!({ "items": page.items, "next": next }))
}

async fn objects(targets: &Targets, bucket: &str, request: &RawRequest) -> Result<Value, ApiError> {
    let value = |name| request.query_value(name).map(decoded);
    let prefix = value("prefix").unwrap_or_default();
    let after = value("after");
    let (s3, limit) = (targets.s3(), LISTED_MAX as usize);
    let page = s3.list_local(bucket, &prefix, after.as_deref(), limit).await.map_err(unreadable)?;
    let objects = page.objects.iter().map(|it| json!({ "key": it.key, "bytes": it.bytes }));
    Ok(json!({ "objects": objects.collect::<Vec<_>>(), "hasMore": page.has_more }))
}

fn caller(cx: &Cx) -> Caller {
    Caller { tenant: cx.tenant.clone(), role_arn: None }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn limit(cx: &Cx, request: &RawRequest) -> Result<usize, ApiError> {
    let limits = &cx.app.limits;
    let limit = number(request, "limit")?.unwrap_or_else(|| limits.page_default.into());
    Ok(usize::try_from(limit).unwrap_or(usize::MAX).clamp(1, limits.page_max as usize))
}

fn number(request: &RawRequest, name: &str) -> Result<Option<u64>, ApiError> {
    let number = request.query_value(name).map(str::parse).transpose();
    number.map_err(|_| ApiError::invalid(format!("{name} is no number.")))
}

fn unreadable(error: TargetError) -> ApiError {
    if error.is_transient {
        return ApiError::unavailable(error.message);
    }
    ApiError::not_found(error.message)
}
