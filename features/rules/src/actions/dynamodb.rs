//! DynamoDB: what is selected becomes an attribute of an item, or the item itself.

use model::iot::{DynamoDBAction, DynamoDBv2Action, DynamoKeyType};
use serde_json::{Value, json};
use service::{ApiError, BoxFuture};
use sql::{Halt, Payload, Statement, Template};
use targets::{
    AttributeValue, Caller, DeleteItem, Item, ItemKey, PutItem, TargetError, Targets, UpdateItem,
};

use super::target::{TargetCall, TargetRequest, attribute, binary, caller, item};
use super::{Action, Call, Selected, template};
use crate::engine::log::Resources;

/// The attribute that has what is selected, where the rule names none.
const PAYLOAD_FIELD: &str = "payload";

/// A `dynamoDB` action.
pub(crate) struct DynamoDb {
    role_arn: String,
    table: Template,
    operation: Option<Template>,
    hash_key: Key,
    range_key: Option<Key>,
    payload_field: Option<Template>,
}

struct Key {
    field: Template,
    value: Template,
    is_number: bool,
}

/// A `dynamoDBv2` action.
pub(crate) struct DynamoDbV2 {
    role_arn: String,
    table: Template,
}

impl DynamoDb {
    /// Reads the action.
    pub(crate) fn compile(
        action: &DynamoDBAction,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        let read = |name: &str, text: &str| template(&format!("dynamoDB.{name}"), text, statement);
        let key = |field: &str, value: &str, kind: &Option<DynamoKeyType>| {
            Ok::<_, ApiError>(Key {
                field: read("keyField", field)?,
                value: read("keyValue", value)?,
                is_number: kind.as_ref().is_some_and(|kind| kind.as_str() == "NUMBER"),
            })
        };
        let range = action.range_key_field.as_ref().zip(action.range_key_value.as_ref());
        let range = range.map(|(field, value)| key(field, value, &action.range_key_type));
        let operation = action.operation.as_ref().map(|text| read("operation", text));
        let payload_field = action.payload_field.as_ref().map(|text| read("payloadField", text));
        Ok(Self {
            role_arn: action.role_arn.clone(),
            table: read("tableName", &action.table_name)?,
            operation: operation.transpose()?,
            hash_key: key(&action.hash_key_field, &action.hash_key_value, &action.hash_key_type)?,
            range_key: range.transpose()?,
            payload_field: payload_field.transpose()?,
        })
    }
}

impl Key {
    fn of(&self, selected: &Selected<'_>) -> Result<(String, AttributeValue), Halt> {
        let value = selected.text(&self.value)?;
        let value =
            if self.is_number { AttributeValue::N(value) } else { AttributeValue::S(value) };
        Ok((selected.text(&self.field)?, value))
    }
}

/// What is done to a table.
#[derive(Clone, Debug)]
enum Change {
    Insert(PutItem),
    Update(UpdateItem),
    Delete(DeleteItem),
}

impl Action for DynamoDb {
    fn name(&self) -> &'static str {
        "DynamoAction"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let table = selected.text(&self.table)?;
        let text = |template: &Option<Template>| {
            template.as_ref().map(|template| selected.text(template)).transpose()
        };
        let mut key: ItemKey = vec![self.hash_key.of(selected)?];
        if let Some(range_key) = &self.range_key {
            key.push(range_key.of(selected)?);
        }
        let operation = text(&self.operation)?.unwrap_or_else(|| "INSERT".to_owned());
        let field = text(&self.payload_field)?.unwrap_or_else(|| PAYLOAD_FIELD.to_owned());
        let details = match key.first() {
            Some((field, value)) => {
                format!("Action: dynamo, Table: {table}, {field}: {value:?}")
            }
            None => format!("Action: dynamo, Table: {table}"),
        };
        let payload = match Payload::read(&selected.payload).value() {
            Some(value) => attribute(value),
            None => binary(&selected.payload),
        };
        let resource = table.clone();
        let request = change(&operation, table, key, Item::from([(field, payload)]));
        Ok(Box::new(TargetCall {
            request,
            caller: caller(selected, &self.role_arn),
            resource,
            details,
            failure: "Failed to write to DynamoDB",
        }))
    }
}

fn change(operation: &str, table: String, key: ItemKey, set: Item) -> Result<Change, String> {
    Ok(match operation.to_ascii_uppercase().as_str() {
        "INSERT" => {
            let keys = key.iter().map(|(name, _)| name.clone()).collect();
            let item = set.into_iter().chain(key).collect();
            Change::Insert(PutItem { table, item, keys })
        }
        "UPDATE" => Change::Update(UpdateItem { table, key, set }),
        "DELETE" => Change::Delete(DeleteItem { table, key }),
        _ => return Err(format!("the operation is INSERT, UPDATE or DELETE, not {operation}")),
    })
}

impl DynamoDbV2 {
    /// Reads the action.
    pub(crate) fn compile(
        action: &DynamoDBv2Action,
        statement: &Statement,
    ) -> Result<Self, ApiError> {
        let table = &action.put_item.table_name;
        let table = template("dynamoDBv2.putItem.tableName", table, statement)?;
        Ok(Self { role_arn: action.role_arn.clone(), table })
    }
}

impl Action for DynamoDbV2 {
    fn name(&self) -> &'static str {
        "DynamoActionV2"
    }

    fn call(&self, selected: &Selected<'_>) -> Result<Box<dyn Call>, Halt> {
        let table = selected.text(&self.table)?;
        let resource = table.clone();
        let request = match Payload::read(&selected.payload).value() {
            Some(sql::Value::Object(object)) => {
                Ok(Change::Insert(PutItem { table, item: item(&object), keys: Vec::new() }))
            }
            _ => Err("the payload is not a JSON object".to_owned()),
        };
        Ok(Box::new(TargetCall {
            request,
            caller: caller(selected, &self.role_arn),
            details: format!("Action: dynamoDBv2, Table: {resource}"),
            resource,
            failure: "Failed to write to DynamoDB",
        }))
    }
}

impl TargetRequest for Change {
    fn send<'a>(
        &'a self,
        targets: &'a Targets,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            match self.clone() {
                Self::Insert(put) => targets.dynamodb().put_item(caller, put).await,
                Self::Update(update) => targets.dynamodb().update_item(caller, update).await,
                Self::Delete(delete) => targets.dynamodb().delete_item(caller, delete).await,
            }
        })
    }

    fn resources(&self) -> Resources {
        let (operation, table, key) = match self {
            Self::Insert(put) => {
                let name = put.keys.first();
                ("INSERT", &put.table, name.and_then(|name| put.item.get_key_value(name)))
            }
            Self::Update(update) => ("UPDATE", &update.table, first(&update.key)),
            Self::Delete(delete) => ("DELETE", &delete.table, first(&delete.key)),
        };
        let mut resources = vec![("Table", table.clone()), ("Operation", operation.to_owned())];
        if let Some((field, AttributeValue::S(value) | AttributeValue::N(value))) = key {
            resources.push(("ItemHashKeyField", field.clone()));
            resources.push(("ItemHashKeyValue", value.clone()));
        }
        resources
    }

    fn inputs(&self) -> Value {
        let key = |key: &ItemKey| key.iter().cloned().collect::<Item>();
        match self {
            Self::Insert(put) => json!({ "putItem": { "table": put.table, "item": put.item } }),
            Self::Update(update) => json!({
                "updateItem": {
                    "table": update.table,
                    "key": key(&update.key),
                    "set": update.set,
                }
            }),
            Self::Delete(delete) => {
                json!({ "deleteItem": { "table": delete.table, "key": key(&delete.key) } })
            }
        }
    }
}

/// The partition key's name and value.
fn first(key: &ItemKey) -> Option<(&String, &AttributeValue)> {
    key.first().map(|(name, value)| (name, value))
}
