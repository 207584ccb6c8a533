//! Units of measures: a closed table, and the conversion between its units. A unit outside the table converts
//! only to itself.

/// A unit, and its conversion to the first unit of its quantity.
#[derive(Clone, Copy, Debug)]
struct Unit {
    quantity: Quantity,
    /// The name, and the other names that are accepted.
    names: &'static [&'static str],
    /// The number in this unit that equals zero in the first unit.
    zero: f64,
    /// The size of this unit is `numerator / denominator` of the first unit.
    numerator: f64,
    denominator: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Temperature,
    Speed,
    Length,
    Pressure,
    Voltage,
    Ratio,
}

use Quantity::{Length, Pressure, Ratio, Speed, Temperature, Voltage};

/// The names that people, UCUM and SenML use. Only units of temperature have different zeros.
const UNITS: [Unit; 27] = [
    unit(Temperature, &["celsius", "°C", "C", "degC", "Cel"], 0.0, 1.0, 1.0),
    unit(Temperature, &["fahrenheit", "°F", "F", "degF", "[degF]"], 32.0, 5.0, 9.0),
    unit(Temperature, &["kelvin", "K"], 273.15, 1.0, 1.0),
    unit(Speed, &["m/s", "mps"], 0.0, 1.0, 1.0),
    unit(Speed, &["km/h", "kmh", "kph"], 0.0, 1_000.0, 3_600.0),
    unit(Speed, &["mph", "mi/h"], 0.0, 1_609.344, 3_600.0),
    unit(Speed, &["knots", "knot", "kn", "kt", "[kn_i]"], 0.0, 1_852.0, 3_600.0),
    unit(Speed, &["ft/s"], 0.0, 0.3048, 1.0),
    unit(Length, &["m", "meter", "metre"], 0.0, 1.0, 1.0),
    unit(Length, &["km"], 0.0, 1_000.0, 1.0),
    unit(Length, &["cm"], 0.0, 1.0, 100.0),
    unit(Length, &["mm"], 0.0, 1.0, 1_000.0),
    unit(Length, &["mi", "mile", "miles"], 0.0, 1_609.344, 1.0),
    unit(Length, &["ft", "foot", "feet"], 0.0, 0.3048, 1.0),
    unit(Length, &["in", "inch"], 0.0, 0.0254, 1.0),
    unit(Length, &["nmi"], 0.0, 1_852.0, 1.0),
    unit(Pressure, &["Pa", "pascal"], 0.0, 1.0, 1.0),
    unit(Pressure, &["hPa", "mbar"], 0.0, 100.0, 1.0),
    unit(Pressure, &["kPa"], 0.0, 1_000.0, 1.0),
    unit(Pressure, &["bar"], 0.0, 100_000.0, 1.0),
    unit(Pressure, &["psi", "[psi]"], 0.0, 6_894.757_293_168_361, 1.0),
    unit(Pressure, &["mmHg", "torr"], 0.0, 133.322_387_415, 1.0),
    unit(Pressure, &["inHg"], 0.0, 3_386.388_640_341, 1.0),
    unit(Voltage, &["V", "volt", "volts"], 0.0, 1.0, 1.0),
    unit(Voltage, &["mV", "millivolt", "millivolts"], 0.0, 1.0, 1_000.0),
    unit(Ratio, &["percent", "%", "%RH", "%EL"], 0.0, 1.0, 100.0),
    unit(Ratio, &["ratio", "/"], 0.0, 1.0, 1.0),
];

const fn unit(
    quantity: Quantity,
    names: &'static [&'static str],
    zero: f64,
    numerator: f64,
    denominator: f64,
) -> Unit {
    Unit { quantity, names, zero, numerator, denominator }
}

/// Converts a number between two units. `None`: the units differ, and the table has no conversion.
pub fn converted(number: f64, from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(number);
    }
    let (from, to) = (known(from)?, known(to)?);
    if from.names == to.names {
        return Some(number);
    }
    if from.quantity != to.quantity {
        return None;
    }
    let first = (number - from.zero) * from.numerator / from.denominator;
    Some(first * to.denominator / to.numerator + to.zero)
}

/// The names of the units that convert to this unit, starting with the unit itself.
pub fn convertible(to: &str) -> Vec<&str> {
    let Some(known) = known(to) else { return vec![to] };
    let others = UNITS.iter().filter(|unit| unit.quantity == known.quantity);
    let others = others.filter(|unit| unit.names != known.names);
    std::iter::once(to).chain(others.filter_map(|unit| unit.names.first().copied())).collect()
}

/// Finds a unit. Words match in any case. Symbols are case-sensitive: `mV` and `MV` are two units.
fn known(name: &str) -> Option<&'static Unit> {
    const WORD: usize = 5;
    UNITS.iter().find(|unit| {
        unit.names
            .iter()
            .any(|one| *one == name || one.len() >= WORD && one.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(number: f64, from: &str, to: &str, expected: Option<f64>) {
        let found = converted(number, from, to);
        let close = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        };
        assert!(close, "{number} {from} in {to}: {found:?}");
    }

    #[test]
    fn known_pairs_are_converted_and_no_others() {
        check(212.0, "fahrenheit", "celsius", Some(100.0));
        check(-40.0, "Fahrenheit", "°C", Some(-40.0));
        check(0.0, "kelvin", "celsius", Some(-273.15));
        check(25.0, "celsius", "fahrenheit", Some(77.0));
        check(36.0, "km/h", "m/s", Some(10.0));
        check(1.0, "knots", "km/h", Some(1.852));
        check(60.0, "mph", "km/h", Some(96.56064));
        check(1013.25, "hPa", "kPa", Some(101.325));
        check(3300.0, "mV", "V", Some(3.3));
        check(0.5, "ratio", "percent", Some(50.0));
        check(1.0, "MV", "V", None);
        check(1.0, "celsius", "percent", None);
        check(1.0, "furlong", "m", None);
        check(1.0, "furlong", "furlong", Some(1.0));
    }

    #[test]
    fn no_name_is_of_two_units() {
        let names: Vec<&str> = UNITS.iter().flat_map(|unit| unit.names).copied().collect();
        for name in &names {
            assert_eq!(names.iter().filter(|one| *one == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn the_units_that_lead_to_one_are_told() {
        assert_eq!(convertible("celsius"), ["celsius", "fahrenheit", "kelvin"]);
        assert_eq!(convertible("furlong"), ["furlong"]);
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_it_began(
            number in -1e6..1e6, from in 0..UNITS.len(), to in 0..UNITS.len(),
        ) {
            let (from, to) = (UNITS[from].names[0], UNITS[to].names[0]);
            if let Some(there) = converted(number, from, to) {
                let back = converted(there, to, from).expect("the way back");
                prop_assert!((back - number).abs() <= 1e-6 * (1.0 + number.abs()));
            }
        }
    }
}
