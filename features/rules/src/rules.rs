//! Topic rules: create, replace, get, list, delete, enable, disable.

use std::sync::Arc;

use model::iot::op::{
    CreateTopicRule, DeleteTopicRule, DisableTopicRule, EnableTopicRule, GetTopicRule,
    ListTopicRules, ReplaceTopicRule,
};
use model::iot::{
    CreateTopicRuleRequest, DeleteTopicRuleRequest, DisableTopicRuleRequest,
    EnableTopicRuleRequest, GetTopicRuleRequest, GetTopicRuleResponse, ListTopicRulesRequest,
    ListTopicRulesResponse, ReplaceTopicRuleRequest, TopicRule, TopicRuleListItem,
};
use mqtt::HashMatch;
use service::retry::{Setback, retry};
use service::{ApiError, Cx, Endpoint, PageRequest, tags};
use store::{Batch, Direction};

use crate::destinations;
use crate::engine::rule::Rule as Running;
use crate::live::{Live, LiveRule};
use crate::store::Stored;
use crate::store::rules::{self, Rule};
use crate::validation::{self, Checked};

/// The operations on rules. Whoever changes a rule waits until messages meet it as it is now.
pub(crate) fn endpoints(live: &Arc<Live>) -> Vec<Endpoint> {
    /// An operation that changes a rule, and answers nothing.
    macro_rules! change {
        ($operation:ident, $handler:expr) => {{
            let live = Arc::clone(live);
            Endpoint::new::<$operation, _, _>(move |cx: Cx, request| {
                let live = Arc::clone(&live);
                async move {
                    live.take_call(&cx, stringify!($operation))?;
                    $handler(&cx, request).await?;
                    live.settle().await;
                    Ok(())
                }
            })
        }};
    }
    let of_list = Arc::clone(live);
    vec![
        change!(CreateTopicRule, create_topic_rule),
        change!(ReplaceTopicRule, replace_topic_rule),
        change!(DeleteTopicRule, delete_topic_rule),
        change!(EnableTopicRule, enable_topic_rule),
        change!(DisableTopicRule, disable_topic_rule),
        Endpoint::new::<GetTopicRule, _, _>(|cx: Cx, request| async move {
            get_topic_rule(&cx, request).await
        }),
        Endpoint::new::<ListTopicRules, _, _>(move |cx: Cx, request| {
            let live = Arc::clone(&of_list);
            async move { list_topic_rules(&cx, &live, request).await }
        }),
    ]
}

/// Creates a rule, and destinations for the URLs of its `http` actions that have none.
async fn create_topic_rule(cx: &Cx, request: CreateTopicRuleRequest) -> Result<(), ApiError> {
    let limits = &cx.app.limits;
    let Checked { topic_pattern, confirmation_urls } =
        validation::check(&request.topic_rule_payload, limits)?;
    Running::compile(&cx.tenant, &request.rule_name, &request.topic_rule_payload)?;
    let tags = tags::of_header(request.tags.as_deref().unwrap_or_default())?;
    let tags = tags::of_new_resource(Some(tags), limits)?;
    let rule = Rule::new(cx, request.rule_name, request.topic_rule_payload, topic_pattern);
    let arn = rules::arn(&cx.tenant, &rule.name);
    let created = retry(|| async {
        if rules::find(cx, &rule.name).await?.is_some() {
            let message = format!("Rule with the name {} already exists.", rule.name);
            return Err(ApiError::already_exists(message, &rule.name, &arn).into());
        }
        let counter = rules::counter(cx).await?;
        if counter.number() >= limits.topic_rules_max {
            let message = format!("An account can have at most {} rules.", limits.topic_rules_max);
            return Err(ApiError::invalid(message).into());
        }
        let mut batch = Batch::new();
        rules::create(cx, &mut batch, &rule, &counter);
        tags::create(cx, &mut batch, &arn, &tags);
        destinations::add_missing(cx, &mut batch, &confirmation_urls).await?;
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    created.await?;
    destinations::hint(cx, &confirmation_urls);
    Ok(())
}

/// Replaces all that a rule does. It stays as old as it is, and keeps its tags.
async fn replace_topic_rule(cx: &Cx, request: ReplaceTopicRuleRequest) -> Result<(), ApiError> {
    let (name, payload) = (&request.rule_name, &request.topic_rule_payload);
    let Checked { topic_pattern, confirmation_urls } = validation::check(payload, &cx.app.limits)?;
    Running::compile(&cx.tenant, name, payload)?;
    let replaced = retry(|| async {
        let before = find(cx, name).await?;
        let mut after = before.document.clone();
        after.payload.clone_from(payload);
        after.topic_pattern.clone_from(&topic_pattern);
        after.modified = cx.now();
        let mut batch = Batch::new();
        rules::replace(&mut batch, &before, &after);
        destinations::add_missing(cx, &mut batch, &confirmation_urls).await?;
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    replaced.await?;
    destinations::hint(cx, &confirmation_urls);
    Ok(())
}

async fn get_topic_rule(
    cx: &Cx,
    request: GetTopicRuleRequest,
) -> Result<GetTopicRuleResponse, ApiError> {
    let rule = find(cx, &request.rule_name).await?.document;
    let rule_disabled = Some(rule.is_disabled());
    let payload = rule.payload;
    Ok(GetTopicRuleResponse {
        rule_arn: Some(rules::arn(&cx.tenant, &rule.name)),
        rule: Some(TopicRule {
            rule_name: Some(rule.name),
            sql: Some(payload.sql),
            description: payload.description,
            created_at: Some(rule.created),
            actions: Some(payload.actions),
            rule_disabled,
            aws_iot_sql_version: payload.aws_iot_sql_version,
            error_action: payload.error_action,
        }),
    })
}

/// Lists rules by name: all, those that are disabled or not, those that hear a topic.
async fn list_topic_rules(
    cx: &Cx,
    live: &Live,
    request: ListTopicRulesRequest,
) -> Result<ListTopicRulesResponse, ApiError> {
    live.catch_up().await?;
    let token = request.next_token.as_deref();
    let page = PageRequest { token, limit: request.max_results, direction: Direction::Forward };
    let list = format!("{:?}\0{:?}", request.rule_disabled, request.topic);
    let cursor = cx.cursor(&list, page, cx.app.limits.page_max)?;
    let tenant = live.tenant(cx.tenant.id);
    let mut listed: Vec<&LiveRule> = tenant
        .rules_after(cursor.after.as_deref())
        .filter(|found| is_asked_for(found, &request))
        .take(cursor.limit + 1)
        .collect();
    let has_more = listed.len() > cursor.limit;
    listed.truncate(cursor.limit);
    let last = listed.last().filter(|_| has_more);
    let next_token = last.map(|last| cursor.token(cx, &last.rule.name));
    let rules = listed.into_iter().map(|found| list_item(cx, &found.rule));
    Ok(ListTopicRulesResponse { rules: Some(rules.collect()), next_token })
}

fn is_asked_for(found: &LiveRule, request: &ListTopicRulesRequest) -> bool {
    let hears = |topic: &str| {
        found.filter.as_ref().is_some_and(|filter| filter.matches(topic, HashMatch::ChildrenOnly))
    };
    request.rule_disabled.is_none_or(|wanted| wanted == found.rule.is_disabled())
        && request.topic.as_deref().is_none_or(hears)
}

fn list_item(cx: &Cx, rule: &Rule) -> TopicRuleListItem {
    TopicRuleListItem {
        rule_arn: Some(rules::arn(&cx.tenant, &rule.name)),
        rule_name: Some(rule.name.clone()),
        topic_pattern: rule.topic_pattern.clone(),
        created_at: Some(rule.created),
        rule_disabled: Some(rule.is_disabled()),
    }
}

/// Deletes a rule. Deleting an unknown one succeeds, as in AWS.
async fn delete_topic_rule(cx: &Cx, request: DeleteTopicRuleRequest) -> Result<(), ApiError> {
    let deleted = retry(|| async {
        let Some(rule) = rules::find(cx, &request.rule_name).await? else { return Ok(()) };
        let counter = rules::counter(cx).await?;
        let mut batch = Batch::new();
        rules::delete(cx, &mut batch, &rule, &counter);
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    deleted.await
}

async fn enable_topic_rule(cx: &Cx, request: EnableTopicRuleRequest) -> Result<(), ApiError> {
    set_disabled(cx, &request.rule_name, false).await
}

async fn disable_topic_rule(cx: &Cx, request: DisableTopicRuleRequest) -> Result<(), ApiError> {
    set_disabled(cx, &request.rule_name, true).await
}

async fn set_disabled(cx: &Cx, name: &str, is_disabled: bool) -> Result<(), ApiError> {
    let changed = retry(|| async {
        let before = find(cx, name).await?;
        if before.document.is_disabled() == is_disabled {
            return Ok(());
        }
        let mut after = before.document.clone();
        after.payload.rule_disabled = Some(is_disabled);
        after.modified = cx.now();
        let mut batch = Batch::new();
        rules::replace(&mut batch, &before, &after);
        cx.commit(batch).await?;
        Ok::<(), Setback>(())
    });
    changed.await
}

/// The rule called `name`. AWS says of one that is not there what it says of somebody else's.
async fn find(cx: &Cx, name: &str) -> Result<Stored<Rule>, ApiError> {
    rules::find(cx, name).await?.ok_or_else(|| {
        ApiError::new("UnauthorizedException", format!("Access to topic rule '{name}' was denied"))
    })
}
