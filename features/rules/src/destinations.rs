//! Destinations: URLs that have to confirm before rules send there. Create, get, list, update,
//! delete, confirm.

use std::sync::Arc;
use std::time::Duration;

use model::iot::op::{
    ConfirmTopicRuleDestination, CreateTopicRuleDestination, DeleteTopicRuleDestination,
    GetTopicRuleDestination, ListTopicRuleDestinations, UpdateTopicRuleDestination,
};
use model::iot::{
    ConfirmTopicRuleDestinationRequest, ConfirmTopicRuleDestinationResponse,
    CreateTopicRuleDestinationRequest, CreateTopicRuleDestinationResponse,
    DeleteTopicRuleDestinationRequest, DeleteTopicRuleDestinationResponse,
    GetTopicRuleDestinationRequest, GetTopicRuleDestinationResponse, HttpUrlDestinationProperties,
    HttpUrlDestinationSummary, ListTopicRuleDestinationsRequest, ListTopicRuleDestinationsResponse,
    TopicRuleDestination, TopicRuleDestinationConfiguration, TopicRuleDestinationStatus,
    TopicRuleDestinationSummary, UpdateTopicRuleDestinationRequest,
    UpdateTopicRuleDestinationResponse,
};
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Endpoint, PageRequest};
use store::Batch;

use crate::confirmation;
use crate::live::Live;
use crate::store::Stored;
use crate::store::destinations::{self, Destination, Question};
use crate::validation;

/// The operations on destinations. Whoever changes one waits until rules know it.
pub(crate) fn endpoints(live: &Arc<Live>) -> Vec<Endpoint> {
    /// An operation that changes a destination.
    macro_rules! change {
        ($operation:ident, $handler:expr) => {{
            let live = Arc::clone(live);
            Endpoint::new::<$operation, _, _>(move |cx: Cx, request| {
                let live = Arc::clone(&live);
                async move {
                    live.take_call(&cx, stringify!($operation))?;
                    let answer = $handler(&cx, request).await?;
                    live.settle().await;
                    Ok(answer)
                }
            })
        }};
    }
    vec![
        change!(CreateTopicRuleDestination, create_topic_rule_destination),
        change!(UpdateTopicRuleDestination, update_topic_rule_destination),
        change!(DeleteTopicRuleDestination, delete_topic_rule_destination),
        change!(ConfirmTopicRuleDestination, confirm_topic_rule_destination),
        Endpoint::new::<GetTopicRuleDestination, _, _>(|cx: Cx, request| async move {
            get_topic_rule_destination(&cx, request).await
        }),
        Endpoint::new::<ListTopicRuleDestinations, _, _>(|cx: Cx, request| async move {
            list_topic_rule_destinations(&cx, request).await
        }),
    ]
}

/// Adds destinations to the batch for those of `urls` that have none.
pub(crate) async fn add_missing(
    cx: &Cx,
    batch: &mut Batch,
    urls: &[String],
) -> Result<(), ApiError> {
    let mut missing = Vec::new();
    for url in urls {
        if !destinations::has_url(cx, url).await? {
            missing.push(Destination::new(cx, url.clone(), new_question(cx)));
        }
    }
    if !missing.is_empty() {
        add(cx, batch, &missing).await?;
    }
    Ok(())
}

/// To be called after the commit of what [`add_missing`] added.
pub(crate) fn hint(cx: &Cx, urls: &[String]) {
    if !urls.is_empty() {
        cx.app.schedule.hint(cx.now());
    }
}

async fn add(cx: &Cx, batch: &mut Batch, new: &[Destination]) -> Result<(), ApiError> {
    let counter = destinations::counter(cx).await?;
    let most = cx.app.limits.rule_destinations_max;
    if counter.number() + new.len() > most {
        let message = format!("An account can have at most {most} destinations of rules.");
        return Err(ApiError::invalid(message));
    }
    destinations::create(cx, batch, new, &counter);
    Ok(())
}

fn new_question(cx: &Cx) -> Question {
    let asked = cx.now();
    let patience = Duration::from_secs(cx.app.limits.rule_destination_confirm_s);
    Question { id: cx.new_uuid().simple().to_string(), asked, expires: asked.plus(patience) }
}

/// Creates a destination and asks it to confirm.
async fn create_topic_rule_destination(
    cx: &Cx,
    request: CreateTopicRuleDestinationRequest,
) -> Result<CreateTopicRuleDestinationResponse, ApiError> {
    let url = confirmation_url(request.destination_configuration)?;
    validation::check_url("confirmationUrl", &url)?;
    let destination = Destination::new(cx, url, new_question(cx));
    let created = retry(|| async {
        if destinations::has_url(cx, &destination.confirmation_url).await? {
            let url = &destination.confirmation_url;
            let message = format!("A destination with the confirmation URL {url} already exists.");
            return Err(ApiError::new("ResourceAlreadyExistsException", message).into());
        }
        let mut batch = Batch::new();
        add(cx, &mut batch, std::slice::from_ref(&destination)).await?;
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    created.await?;
    cx.app.schedule.hint(cx.now());
    Ok(CreateTopicRuleDestinationResponse { topic_rule_destination: Some(described(destination)) })
}

/// The URL of the one kind of destination that works.
fn confirmation_url(asked: TopicRuleDestinationConfiguration) -> Result<String, ApiError> {
    let TopicRuleDestinationConfiguration {
        http_url_configuration: http,
        vpc_configuration: vpc,
        influx_db_configuration: influx,
    } = asked;
    match (http, vpc, influx) {
        (Some(http), None, None) => Ok(http.confirmation_url),
        (None, Some(_), None) => Err(not_built("vpcConfiguration")),
        (None, None, Some(_)) => Err(not_built("influxDBConfiguration")),
        _ => Err(ApiError::invalid(
            "A destination has exactly one of httpUrlConfiguration, vpcConfiguration and \
             influxDBConfiguration.",
        )),
    }
}

fn not_built(configuration: &str) -> ApiError {
    let message = format!(
        "{configuration} is not implemented by this version of Ferrite; httpUrlConfiguration is."
    );
    ApiError::new("NotImplementedException", message)
}

async fn get_topic_rule_destination(
    cx: &Cx,
    request: GetTopicRuleDestinationRequest,
) -> Result<GetTopicRuleDestinationResponse, ApiError> {
    let found = find(cx, &request.arn).await?.document;
    Ok(GetTopicRuleDestinationResponse { topic_rule_destination: Some(described(found)) })
}

async fn list_topic_rule_destinations(
    cx: &Cx,
    request: ListTopicRuleDestinationsRequest,
) -> Result<ListTopicRuleDestinationsResponse, ApiError> {
    let page = PageRequest::forward(&request.next_token, request.max_results);
    let (found, next_token) = destinations::page(cx, page).await?;
    let summaries = found.into_iter().map(summary).collect();
    Ok(ListTopicRuleDestinationsResponse { destination_summaries: Some(summaries), next_token })
}

/// Turns a destination that has confirmed on or off, or asks anew whether it wants messages.
async fn update_topic_rule_destination(
    cx: &Cx,
    request: UpdateTopicRuleDestinationRequest,
) -> Result<UpdateTopicRuleDestinationResponse, ApiError> {
    retry(|| try_update(cx, &request)).await?;
    cx.app.schedule.hint(cx.now());
    Ok(UpdateTopicRuleDestinationResponse {})
}

async fn try_update(cx: &Cx, request: &UpdateTopicRuleDestinationRequest) -> Result<(), Setback> {
    use TopicRuleDestinationStatus::{Disabled, Enabled, InProgress};
    let before = find(cx, &request.arn).await?;
    let (now, wanted) = (before.document.status, request.status);
    let mut after = before.document.clone();
    let mut batch = Batch::new();
    match (now, wanted) {
        (Enabled, Enabled) | (Disabled, Disabled) => return Ok(()),
        (Disabled, Enabled) | (Enabled, Disabled) => {}
        (_, InProgress) => {
            confirmation::cancel(cx, &mut batch, &before.document);
            after.question = new_question(cx);
            confirmation::schedule(cx, &mut batch, &after);
        }
        _ => {
            let message = format!(
                "The status of {} cannot become {} while it is {}.",
                request.arn,
                wanted.as_str(),
                now.as_str()
            );
            return Err(ApiError::invalid(message).into());
        }
    }
    after.status = wanted;
    after.status_reason = None;
    after.modified = cx.now();
    destinations::replace(&mut batch, &before, &after);
    cx.commit(batch).await?;
    Ok(())
}

async fn delete_topic_rule_destination(
    cx: &Cx,
    request: DeleteTopicRuleDestinationRequest,
) -> Result<DeleteTopicRuleDestinationResponse, ApiError> {
    let deleted = retry(|| async {
        let destination = find(cx, &request.arn).await?;
        let counter = destinations::counter(cx).await?;
        let mut batch = Batch::new();
        destinations::delete(cx, &mut batch, &destination, &counter);
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    deleted.await?;
    Ok(DeleteTopicRuleDestinationResponse {})
}

/// Confirms with the token that the destination was sent.
async fn confirm_topic_rule_destination(
    cx: &Cx,
    request: ConfirmTopicRuleDestinationRequest,
) -> Result<ConfirmTopicRuleDestinationResponse, ApiError> {
    let token = confirmation::Token::open(&cx.app, &request.confirmation_token)?;
    if token.tenant(&cx.app).await? != cx.tenant {
        return Err(confirmation::wrong_token());
    }
    confirmation::confirm(cx, &token).await?;
    Ok(ConfirmTopicRuleDestinationResponse {})
}

/// The destination that an ARN names. AWS says of one that is not there what it says of somebody
/// else's.
async fn find(cx: &Cx, arn: &str) -> Result<Stored<Destination>, ApiError> {
    let found = match destinations::id_in(&cx.tenant, arn) {
        Some(id) => destinations::find(cx, id).await?,
        None => None,
    };
    found.ok_or_else(|| {
        let message = format!("Access to TopicRuleDestination '{arn}' was denied");
        ApiError::new("UnauthorizedException", message)
    })
}

fn described(destination: Destination) -> TopicRuleDestination {
    let confirmation_url = Some(destination.confirmation_url);
    TopicRuleDestination {
        arn: Some(destination.arn),
        status: Some(destination.status),
        created_at: Some(destination.created),
        last_updated_at: Some(destination.modified),
        status_reason: destination.status_reason,
        http_url_properties: Some(HttpUrlDestinationProperties { confirmation_url }),
        ..TopicRuleDestination::default()
    }
}

fn summary(destination: Destination) -> TopicRuleDestinationSummary {
    let confirmation_url = Some(destination.confirmation_url);
    TopicRuleDestinationSummary {
        arn: Some(destination.arn),
        status: Some(destination.status),
        created_at: Some(destination.created),
        last_updated_at: Some(destination.modified),
        status_reason: destination.status_reason,
        http_url_summary: Some(HttpUrlDestinationSummary { confirmation_url }),
        ..TopicRuleDestinationSummary::default()
    }
}
