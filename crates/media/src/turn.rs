//! Turns and mirrorings, and the eight EXIF orientations that name them.
//!
//! Invariant: composing keeps to the eight; each is "mirror left-right or not, then turn clockwise".

/// A mirroring followed by quarter turns clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    mirrored: bool,
    quarters: u8,
}

impl Turn {
    /// Then a turn clockwise by a number of quarters.
    #[must_use]
    pub(crate) fn then_clockwise(self, quarters: u8) -> Self {
        Self { quarters: (self.quarters + quarters % 4) % 4, ..self }
    }

    /// Then left and right exchanged.
    #[must_use]
    pub(crate) fn then_left_right(self) -> Self {
        Self { mirrored: !self.mirrored, quarters: (4 - self.quarters) % 4 }
    }

    /// Then top and bottom exchanged.
    #[must_use]
    pub(crate) fn then_top_bottom(self) -> Self {
        self.then_left_right().then_clockwise(2)
    }

    /// The EXIF orientation of that name, 1 to 8.
    pub(crate) fn orientation(self) -> u8 {
        match (self.mirrored, self.quarters) {
            (false, 0) => 1,
            (true, 0) => 2,
            (false, 2) => 3,
            (true, 2) => 4,
            (true, 3) => 5,
            (false, 1) => 6,
            (true, 1) => 7,
            _ => 8,
        }
    }

    /// From a track matrix `a b c d` (signs only); `None` for anything that is no turn or mirroring.
    pub(crate) fn of_matrix(matrix: [i32; 4]) -> Option<Self> {
        let turn = Self::default();
        Some(match matrix.map(i32::signum) {
            [1, 0, 0, 1] => turn,
            [0, 1, -1, 0] => turn.then_clockwise(1),
            [-1, 0, 0, -1] => turn.then_clockwise(2),
            [0, -1, 1, 0] => turn.then_clockwise(3),
            [-1, 0, 0, 1] => turn.then_left_right(),
            [1, 0, 0, -1] => turn.then_top_bottom(),
            [0, 1, 1, 0] => turn.then_left_right().then_clockwise(3),
            [0, -1, -1, 0] => turn.then_left_right().then_clockwise(1),
            _ => return None,
        })
    }

    /// Degrees clockwise, leaving mirroring aside.
    pub(crate) fn degrees(self) -> u16 {
        u16::from(self.quarters) * 90
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composing_turns_gives_the_exif_orientation_of_the_whole() {
        let none = Turn::default();
        assert_eq!(none.orientation(), 1);
        assert_eq!(none.then_clockwise(1).orientation(), 6);
        assert_eq!(none.then_clockwise(3).orientation(), 8);
        assert_eq!(none.then_left_right().orientation(), 2);
        assert_eq!(none.then_top_bottom().orientation(), 4);
        assert_eq!(none.then_left_right().then_clockwise(3).orientation(), 5);
        assert_eq!(none.then_left_right().then_clockwise(1).orientation(), 7);
        assert_eq!(none.then_clockwise(1).then_left_right().orientation(), 5);
        assert_eq!(none.then_clockwise(3).then_clockwise(1).orientation(), 1);
        assert_eq!(none.then_top_bottom().then_left_right().orientation(), 3);
    }

    #[test]
    fn track_matrices_are_turns() {
        let one = 1 << 16;
        assert_eq!(Turn::of_matrix([0, one, -one, 0]).unwrap().degrees(), 90);
        assert_eq!(Turn::of_matrix([0, one, one, 0]).unwrap().orientation(), 5);
        assert!(Turn::of_matrix([one, one, 0, one]).is_none());
    }
}
