//! From resources to rows: only those that a query asks for, and of those only the columns that it looks at.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::evaluation::{self, Columns};
use super::query::{Aggregate, Expression, Query, Step, Table};
use crate::provider::Registry;
use crate::providers::authorization::{Reading, Rights};
use crate::providers::resources::GROUP;
use crate::world::{Resource, World};
use arm::ResourceId;

/// Columns of a row, in Azure's order.
const COLUMNS: [&str; 16] = [
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
];

/// Those of them that are taken from what a resource's provider shows.
const SHOWN: [&str; 6] = ["sku", "plan", "properties", "identity", "zones", "extendedLocation"];

/// The number of rows that a query gives to somebody with these rights, and those of them that are asked for.
pub(super) fn ask(world: &World, query: &Query, rights: &Rights, page: Range<usize>) -> (usize, Vec<Value>) {
    let leading = query.steps.iter().take_while(|step| matches!(step, Step::Where(_))).count();
    let (filters, rest) = query.steps.split_at(leading);
    let reading = rights.reading();
    let source = |row: &Row<'_>| {
        let through = |step: &Step| matches!(step, Step::Where(condition) if evaluation::holds(condition, row));
        filters.iter().all(through) && row.readable(&reading)
    };
    let found: Vec<Row<'_>> = table(world, query.table).filter(source).collect();
    if rest.is_empty() {
        let total = found.len();
        return (total, found.into_iter().skip(page.start).take(page.len()).map(|row| row.into_value(None)).collect());
    }
    let narrowed = narrows(rest).then(|| columns_of(rest));
    let rows = found.into_iter().map(|row| row.into_value(narrowed.as_ref())).collect();
    let rows = evaluation::run(rest, rows);
    let total = rows.len();
    (total, rows.into_iter().skip(page.start).take(page.len()).collect())
}

/// One row to be.
struct Row<'w> {
    world: &'w World,
    source: Source<'w>,
    /// What its provider shows, which may be made for the purpose: once, and only where it is asked for.
    shown: OnceCell<Value>,
}

#[derive(Clone, Copy)]
enum Source<'w> {
    Resource(&'w Resource),
    Subscription,
}

fn table(world: &World, table: Table) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
    let of = move |resource| Row { world, source: Source::Resource(resource), shown: OnceCell::new() };
    match table {
        Table::Resources => {
            let registry = Registry::get();
            // In the order of their ids most have the type of the one before.
            let mut last = ("", false);
            Box::new(world.resources().iter().filter_map(move |resource| {
                if last.0 != resource.resource_type {
                    let found = registry.find(&resource.resource_type);
                    last = (resource.resource_type.as_str(), found.is_some_and(|found| found.tracked));
                }
                last.1.then(|| of(resource))
            }))
        }
        Table::ResourceContainers => {
            let subscription = std::iter::once(Row { world, source: Source::Subscription, shown: OnceCell::new() });
            Box::new(subscription.chain(world.resources().of_type(GROUP).map(of)))
        }
    }
}

impl Row<'_> {
    fn readable(&self, reading: &Reading<'_>) -> bool {
        match &self.source {
            Source::Resource(resource) => reading.may(&resource.id),
            Source::Subscription => reading.may(&ResourceId::subscription_of(self.world.subscription())),
        }
    }

    /// The row, all of it or with these columns only.
    fn into_value(mut self, only: Option<&BTreeSet<String>>) -> Value {
        let wanted = COLUMNS.iter().filter(|column| only.is_none_or(|only| only.contains(**column)));
        let mut row = Map::with_capacity(only.map_or(COLUMNS.len(), BTreeSet::len));
        for column in wanted {
            let value = match self.source {
                Source::Resource(resource) if SHOWN.contains(column) => {
                    self.shown(resource);
                    self.shown.get_mut().and_then(|shown| shown.get_mut(*column)).map(Value::take)
                }
                _ => self.column(column).map(Cow::into_owned),
            };
            row.insert((*column).to_owned(), value.unwrap_or(Value::Null));
        }
        Value::Object(row)
    }

    fn shown(&self, resource: &Resource) -> &Value {
        self.shown.get_or_init(|| {
            let handler = Registry::get().find(&resource.resource_type).map(|found| found.handler);
            handler.map_or_else(|| resource.json(), |handler| handler.show(self.world, resource))
        })
    }

    fn of_subscription(&self, column: &str) -> Value {
        match column {
            "id" => json!(format!("/subscriptions/{}", self.world.subscription())),
            "name" => json!("fake-arm"),
            "type" => json!("microsoft.resources/subscriptions"),
            "tenantId" => json!(self.world.tenant()),
            "subscriptionId" => json!(self.world.subscription()),
            "properties" => json!({ "state": "Enabled" }),
            "kind" | "location" | "resourceGroup" | "managedBy" => json!(""),
            _ => Value::Null,
        }
    }
}

impl Columns for Row<'_> {
    fn column(&self, name: &str) -> Option<Cow<'_, Value>> {
        if !COLUMNS.contains(&name) {
            return None;
        }
        let Source::Resource(resource) = &self.source else { return Some(Cow::Owned(self.of_subscription(name))) };
        let text = |text: &str| Cow::Owned(Value::String(text.to_owned()));
        Some(match name {
            "id" => Cow::Owned(json!(resource.id)),
            "name" => text(resource.name()),
            "type" => Cow::Owned(Value::String(resource.resource_type.to_ascii_lowercase())),
            "tenantId" => Cow::Owned(json!(self.world.tenant())),
            "location" => text(resource.location()),
            "resourceGroup" => {
                Cow::Owned(Value::String(resource.id.resource_group().unwrap_or_default().to_lowercase()))
            }
            "subscriptionId" => Cow::Owned(json!(self.world.subscription())),
            "tags" => return resource.body.get("tags").map(Cow::Borrowed),
            "kind" | "managedBy" => text(resource.body[name].as_str().unwrap_or_default()),
            _ => return self.shown(resource).get(name).map(Cow::Borrowed),
        })
    }
}

/// Nothing of a row is seen after these steps but what they name.
fn narrows(steps: &[Step]) -> bool {
    let narrowing =
        |step: &Step| matches!(step, Step::Project(_) | Step::Distinct(_) | Step::Summarize(..) | Step::Count);
    steps.iter().any(narrowing)
}

/// The columns that steps look at.
fn columns_of(steps: &[Step]) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    for step in steps {
        match step {
            Step::Where(of) => gather(of, &mut columns),
            Step::Project(list) | Step::Extend(list) | Step::Distinct(list) => {
                list.iter().for_each(|(_, of)| gather(of, &mut columns));
            }
            Step::OrderBy(orders) | Step::Top(_, orders) => orders.iter().for_each(|(of, _)| gather(of, &mut columns)),
            Step::Summarize(aggregates, by) => {
                by.iter().for_each(|(_, of)| gather(of, &mut columns));
                for (_, aggregate) in aggregates {
                    match aggregate {
                        Aggregate::Count => {}
                        Aggregate::CountIf(of)
                        | Aggregate::DistinctCount(of)
                        | Aggregate::Sum(of)
                        | Aggregate::Min(of)
                        | Aggregate::Max(of) => gather(of, &mut columns),
                    }
                }
            }
            Step::ProjectAway(_) | Step::Take(_) | Step::Count => {}
        }
    }
    columns
}

fn gather(expression: &Expression, columns: &mut BTreeSet<String>) {
    match expression {
        Expression::Column(name) => {
            columns.insert(name.clone());
        }
        Expression::Value(_) => {}
        Expression::Inside(a, b) | Expression::And(a, b) | Expression::Or(a, b) | Expression::Compare(a, _, b) => {
            gather(a, columns);
            gather(b, columns);
        }
        Expression::Not(inner) => gather(inner, columns),
        Expression::Call(_, list) => list.iter().for_each(|one| gather(one, columns)),
        Expression::In(of, list, _) => {
            gather(of, columns);
            list.iter().for_each(|one| gather(one, columns));
        }
        Expression::Between(a, b, c) => [a, b, c].into_iter().for_each(|one| gather(one, columns)),
    }
}
