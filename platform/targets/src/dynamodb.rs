//! DynamoDB: tables of items.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aws::Call;
use crate::{
    AttributeValue, Backend, Caller, Item, ItemKey, ItemPage, Service, Table, TargetError, Targets,
};

const SERVICE: Service = Service::DynamoDb;

/// Writes an item, in the place of the one with the same keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutItem {
    /// Into which table.
    pub table: String,
    /// The item, with its keys.
    pub item: Item,
    /// What the table's keys are called, first the partition key, if the caller knows: a local
    /// table that is not there is made with them.
    pub keys: Vec<String>,
}

/// Sets attributes of an item, which is made if it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateItem {
    /// Of which table.
    pub table: String,
    /// Of which item.
    pub key: ItemKey,
    /// The attributes to set; others stay.
    pub set: Item,
}

/// Removes an item, if it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteItem {
    /// Of which table.
    pub table: String,
    /// Which item.
    pub key: ItemKey,
}

/// Reads an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetItem {
    /// Of which table.
    pub table: String,
    /// Which item.
    pub key: ItemKey,
}

/// Tables, wherever they are.
#[derive(Clone, Copy)]
pub struct DynamoDb<'t>(pub(crate) &'t Targets);

impl DynamoDb<'_> {
    /// Writes an item; it is safe when this returns.
    pub async fn put_item(&self, caller: &Caller, put: PutItem) -> Result<(), TargetError> {
        if self.is_local() {
            let tables = &self.0.local().tables;
            return tables.put(caller.tenant.id, &put.table, &put.item, &put.keys).await;
        }
        let body = Wire { item: Some(&put.item), ..Wire::of(&put.table) };
        self.send(caller, "PutItem", &body).await.map(|_| ())
    }

    /// Sets attributes of an item.
    pub async fn update_item(
        &self,
        caller: &Caller,
        update: UpdateItem,
    ) -> Result<(), TargetError> {
        if self.is_local() {
            let tables = &self.0.local().tables;
            return tables.update(caller.tenant.id, &update.table, &update.key, &update.set).await;
        }
        let key = update.key.into_iter().collect();
        let (expression, names, values) = expression(update.set);
        let body = Wire {
            key: Some(&key),
            update_expression: (!names.is_empty()).then_some(expression),
            expression_attribute_names: names,
            expression_attribute_values: values,
            ..Wire::of(&update.table)
        };
        self.send(caller, "UpdateItem", &body).await.map(|_| ())
    }

    /// Removes an item.
    pub async fn delete_item(
        &self,
        caller: &Caller,
        delete: DeleteItem,
    ) -> Result<(), TargetError> {
        if self.is_local() {
            let tables = &self.0.local().tables;
            return tables.delete(caller.tenant.id, &delete.table, &delete.key).await;
        }
        let key = delete.key.into_iter().collect();
        let body = Wire { key: Some(&key), ..Wire::of(&delete.table) };
        self.send(caller, "DeleteItem", &body).await.map(|_| ())
    }

    /// Reads an item, if it is there.
    pub async fn get_item(
        &self,
        caller: &Caller,
        get: GetItem,
    ) -> Result<Option<Item>, TargetError> {
        if self.is_local() {
            let tables = &self.0.local().tables;
            return tables.get(caller.tenant.id, &get.table, &get.key).await;
        }
        let key = get.key.into_iter().collect();
        let body = Wire { key: Some(&key), ..Wire::of(&get.table) };
        let answer = self.send(caller, "GetItem", &body).await?;
        let read: GetItemAnswer = serde_json::from_slice(&answer).map_err(|error| {
            TargetError::unanswered(SERVICE, "The answer to GetItem cannot be read.")
                .caused_by(error)
        })?;
        Ok(read.item)
    }

    /// At most `limit` items of a local table, from where the page before ended.
    pub async fn scan_local(
        &self,
        caller: &Caller,
        table: &str,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<ItemPage, TargetError> {
        self.0.local().tables.scan(caller.tenant.id, table, after, limit).await
    }

    /// At most `limit` local tables whose names are behind `after`, and whether there are more.
    pub async fn local_tables(
        &self,
        caller: &Caller,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Table>, bool), TargetError> {
        self.0.local().tables.list(caller.tenant.id, after, limit).await
    }

    fn is_local(&self) -> bool {
        self.0.backend(SERVICE) == Backend::Local
    }

    async fn send(
        &self,
        caller: &Caller,
        operation: &str,
        body: &Wire<'_>,
    ) -> Result<bytes::Bytes, TargetError> {
        let target = format!("DynamoDB_20120810.{operation}");
        let call = Call::json(SERVICE, "application/x-amz-json-1.0", &target, body);
        self.0.aws().send(caller, call).await.map(|response| response.body)
    }
}

/// A request on the wire; what an operation does not have is absent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    table_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_expression: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    expression_attribute_names: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    expression_attribute_values: BTreeMap<String, AttributeValue>,
}

impl<'a> Wire<'a> {
    fn of(table_name: &'a str) -> Self {
        Self {
            table_name,
            item: None,
            key: None,
            update_expression: None,
            expression_attribute_names: BTreeMap::new(),
            expression_attribute_values: BTreeMap::new(),
        }
    }
}

#[derive(Deserialize)]
struct GetItemAnswer {
    #[serde(rename = "Item")]
    item: Option<Item>,
}

/// `SET #a0 = :v0, …`: the attributes' own names may be DynamoDB's reserved words.
fn expression(set: Item) -> (String, BTreeMap<String, String>, BTreeMap<String, AttributeValue>) {
    let mut text = String::new();
    let (mut names, mut values) = (BTreeMap::new(), BTreeMap::new());
    for (number, (name, value)) in set.into_iter().enumerate() {
        text.push_str(if number == 0 { "SET " } else { ", " });
        text.push_str(&format!("#a{number} = :v{number}"));
        names.insert(format!("#a{number}"), name);
        values.insert(format!(":v{number}"), value);
    }
    (text, names, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_names_attributes_by_placeholders() {
        let set = [("size", "1"), ("name", "2")];
        let set = set.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())));
        let (text, names, values) = expression(set.into_iter().collect());
        assert_eq!(text, "SET #a0 = :v0, #a1 = :v1");
        assert_eq!(names["#a0"], "name");
        assert_eq!(values[":v1"], AttributeValue::S("1".into()));
    }

    #[test]
    fn what_an_operation_does_not_have_is_absent() {
        assert_eq!(serde_json::to_string(&Wire::of("t")).unwrap(), r#"{"TableName":"t"}"#);
    }
}
