//! The behavior of statements in a batch.

use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementOutput;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure,
};

use crate::{Database, binary, code, number, text, units};

/// A statement with its values.
type Statement = (String, Vec<AttributeValue>);

impl Database {
    /// Puts a new item whose number is 1.
    fn insert(&self, pk: &str) -> Statement {
        let statement =
            format!(r#"INSERT INTO "{}" VALUE {{'v': ?, 'pk': ?, 'sk': ?}}"#, self.table);
        (statement, vec![number("1"), text(pk), binary(b"s")])
    }

    /// Replaces this number by another one.
    fn update(&self, pk: &str, from: &str, to: &str) -> Statement {
        let statement = format!(
            r#"UPDATE "{}" SET "v" = ? WHERE "pk" = ? AND "sk" = ? AND "v" = ?"#,
            self.table
        );
        (statement, vec![number(to), text(pk), binary(b"s"), number(from)])
    }

    async fn execute(
        &self,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Result<BatchExecuteStatementOutput, String> {
        let statements = statements.into_iter().map(|(text, values)| {
            let old = ReturnValuesOnConditionCheckFailure::AllOld;
            let statement = BatchStatementRequest::builder().statement(text);
            let statement = statement.set_parameters(Some(values));
            statement.return_values_on_condition_check_failure(old).build().expect("a statement")
        });
        let sent = self.client.batch_execute_statement();
        let sent = sent.set_statements(Some(statements.collect()));
        let sent = sent.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
        sent.map_err(|error| code::<(), _, _>(Err(error)))
    }

    /// The result of each statement, and the number of returned attributes.
    async fn outcomes(&self, statements: impl IntoIterator<Item = Statement>) -> String {
        let answer = match self.execute(statements).await {
            Ok(answer) => answer,
            Err(code) => return code,
        };
        let outcomes = answer.responses().iter().map(|response| match response.error() {
            None => "ok".to_owned(),
            Some(error) => {
                let attributes = error.item().map_or(0, |item| item.len());
                let code = error.code().map_or("nothing", |code| code.as_str());
                format!("{code} with {attributes}")
            }
        });
        outcomes.collect::<Vec<_>>().join(", ")
    }
}

pub(crate) async fn the_units_of_statements(database: Database) -> String {
    let three = ["1", "2", "3"].map(|pk| database.insert(&format!("counted {pk}")));
    let answer = database.execute(three).await.expect("available");
    let counted = answer.consumed_capacity().iter().map(|one| units(Some(one)).to_string());
    format!("[{}]", counted.collect::<Vec<_>>().join(", "))
}

pub(crate) async fn statements_with_conditions(database: Database) -> String {
    let (there, absent) = ("statements", "no statement");
    let first = database.outcomes([database.insert(there)]).await;
    let inserts =
        database.outcomes([database.insert(there), database.insert("another statement")]).await;
    let updates = [database.update(there, "1", "2"), database.update(absent, "1", "2")];
    let updates = database.outcomes(updates).await;
    let stale = database.outcomes([database.update(there, "1", "3")]).await;
    format!("{first} | {inserts} | {updates} | {stale}")
}

pub(crate) async fn rejected_statements(database: Database) -> String {
    let twice = [database.insert("twice"), database.insert("twice")];
    let many = (0..26).map(|number| database.insert(&format!("many {number}")));
    let elsewhere = Database { table: "nowhere".to_owned(), ..database.clone() };
    let elsewhere = [elsewhere.insert("there"), database.insert("here")];
    let (twice, many) = (database.outcomes(twice).await, database.outcomes(many).await);
    format!("{twice} | {many} | {}", database.outcomes(elsewhere).await)
}
