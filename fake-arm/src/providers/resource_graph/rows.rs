//! From resources to rows: only those that a query asks for, and of those only the columns that it looks at.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::evaluation;
use super::query::{Aggregate, Expression, Query, Step, Table};
use crate::arm::ResourceId;
use crate::provider::Registry;
use crate::providers::authorization::Rights;
use crate::providers::resources::GROUP;
use crate::world::{Resource, World};

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

/// The number of rows that a query gives to somebody with these rights, and those of them that are asked for.
pub(super) fn ask(world: &World, query: &Query, rights: &Rights, page: Range<usize>) -> (usize, Vec<Value>) {
    let leading = query.steps.iter().take_while(|step| matches!(step, Step::Where(_))).count();
    let (filters, rest) = query.steps.split_at(leading);
    let looked_at = columns_of(filters);
    let source = |row: &Row<'_>| {
        let through = filters.is_empty() || !evaluation::run(filters, vec![row.value(Some(&looked_at))]).is_empty();
        through && row.readable(rights)
    };
    let found: Vec<Row<'_>> = table(world, query.table).filter(source).collect();
    if rest.is_empty() {
        let total = found.len();
        return (total, found.iter().skip(page.start).take(page.len()).map(|row| row.value(None)).collect());
    }
    let narrowed = narrows(rest).then(|| columns_of(rest));
    let rows = found.iter().map(|row| row.value(narrowed.as_ref())).collect();
    let rows = evaluation::run(rest, rows);
    let total = rows.len();
    (total, rows.into_iter().skip(page.start).take(page.len()).collect())
}

/// One row to be.
struct Row<'w> {
    world: &'w World,
    source: Source<'w>,
}

enum Source<'w> {
    Resource(&'w Resource),
    Subscription,
}

fn table(world: &World, table: Table) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
    let of = move |resource| Row { world, source: Source::Resource(resource) };
    match table {
        Table::Resources => {
            let registry = Registry::get();
            let tracked = |r: &&Resource| registry.find(&r.resource_type).is_some_and(|t| t.tracked);
            Box::new(world.resources().iter().filter(tracked).map(of))
        }
        Table::ResourceContainers => {
            let subscription = std::iter::once(Row { world, source: Source::Subscription });
            Box::new(subscription.chain(world.resources().of_type(GROUP).map(of)))
        }
    }
}

impl Row<'_> {
    fn readable(&self, rights: &Rights) -> bool {
        match &self.source {
            Source::Resource(resource) => rights.may_read(&resource.id),
            Source::Subscription => rights.may_read(&ResourceId::subscription_of(self.world.subscription())),
        }
    }

    /// The row, all of it or with these columns only.
    fn value(&self, only: Option<&BTreeSet<String>>) -> Value {
        let wanted = COLUMNS.iter().filter(|column| only.is_none_or(|only| only.contains(**column)));
        match &self.source {
            Source::Subscription => Value::Object(wanted.map(|c| ((*c).to_owned(), self.of_subscription(c))).collect()),
            Source::Resource(resource) => {
                // What a provider shows may be made for the purpose: once, and only where it is asked for.
                let mut shown = None;
                let mut row = Map::new();
                for column in wanted {
                    row.insert((*column).to_owned(), self.column(resource, column, &mut shown));
                }
                Value::Object(row)
            }
        }
    }

    fn column(&self, resource: &Resource, column: &str, shown: &mut Option<Value>) -> Value {
        let text = |text: &str| json!(text);
        match column {
            "id" => json!(resource.id),
            "name" => text(resource.name()),
            "type" => text(&resource.resource_type.to_ascii_lowercase()),
            "tenantId" => json!(self.world.tenant()),
            "location" => text(resource.location()),
            "resourceGroup" => text(&resource.id.resource_group().unwrap_or_default().to_lowercase()),
            "subscriptionId" => json!(self.world.subscription()),
            "tags" => resource.body.get("tags").cloned().unwrap_or(Value::Null),
            "kind" | "managedBy" => text(resource.body[column].as_str().unwrap_or_default()),
            _ => {
                let shown = shown.get_or_insert_with(|| {
                    let handler = Registry::get().find(&resource.resource_type).map(|found| found.handler);
                    handler.map_or_else(|| resource.json(), |handler| handler.show(self.world, resource))
                });
                shown.get_mut(column).map(Value::take).unwrap_or(Value::Null)
            }
        }
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
