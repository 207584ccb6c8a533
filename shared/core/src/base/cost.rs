//! The cost of a call.

/// Capacity units that DynamoDB consumed. Halves are possible; zero if the units are unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units: 4 KB, strongly consistent.
    pub read: f64,
    /// Write units: 1 KB.
    pub write: f64,
}

impl std::ops::AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.write += other.write;
    }
}

impl std::iter::Sum for Units {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        let mut sum = Self::default();
        parts.for_each(|part| sum += part);
        sum
    }
}

/// An answer and its cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Metered<T> {
    /// The answer.
    pub answer: T,
    /// The cost.
    pub units: Units,
}

impl<T> Metered<T> {
    /// Maps the answer and keeps the cost.
    ///
    /// # Errors
    ///
    /// Those of `map`.
    pub fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Metered<U>, E> {
        Ok(Metered { answer: map(self.answer)?, units: self.units })
    }
}
