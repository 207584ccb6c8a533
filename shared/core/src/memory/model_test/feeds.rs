//! The property test of the feeds, over the real core: several environments commit the records of a script
//! while a relay follows the heads, behind them by any lag. It dies between two steps, another one takes
//! over, batches are cut, and the stream goes back to any record. Subjects are carried, touched and
//! forgotten, and pages expire. In the end everything is delivered. Then
//!
//! - a consumer of `ordered` that keeps a set sorted by `ce_sequence` holds the history,
//! - a consumer of `settled` that appends what is new and inserts only what a correction announces holds
//!   exactly the settled history, in order,
//! - the last record of each key in `views` is what the query API answers,
//! - and nothing was ever sent that the ledger did not hold, or as settled before it was.
//!
//! - `script`: what happens beside the actions of a script of the model test
//! - `harness`: runs a case; `ending` ends it, and `operator` has what an operator does
//! - `relay`: what follows the heads, with the topics that it writes
//! - `consumers`: what consumers make of the topics, and what they must hold
//!
//! An eighth of `PROPTEST_CASES` is the number of cases, and `PROPTEST_RNG_SEED` draws the same ones again; a
//! failing case prints its input, and its seed is kept and run first the next time.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use self::harness::run;
use self::script::a_fed_script;

mod consumers;
mod ending;
mod harness;
mod operator;
mod relay;
mod script;

/// A case takes several times what a case of the ledger takes.
fn config() -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.div_ceil(8), ..usual }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn consumers_of_feeds_end_with_the_history(script in a_fed_script()) {
        run(&script).map_err(TestCaseError::fail)?;
    }
}
