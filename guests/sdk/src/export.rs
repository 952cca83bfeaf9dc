//! The export macros, one per world. On wasm32 they expand to the component's export glue, elsewhere to nothing.

/// Exports a type that implements [`Calibrator`](crate::Calibrator) as a `calibrator` component.
#[macro_export]
macro_rules! export_calibrator {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::glue::Exported<$plugin>;
    $crate::glue::description::export!(Exported with_types_in $crate::glue::description);
    $crate::glue::calibrator::export!(Exported with_types_in $crate::glue::calibrator);
        };
    };
}

/// Exports a type that implements [`Generator`](crate::Generator) as a `generator` component.
#[macro_export]
macro_rules! export_generator {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::glue::Exported<$plugin>;
    $crate::glue::description::export!(Exported with_types_in $crate::glue::description);
    $crate::glue::generator::export!(Exported with_types_in $crate::glue::generator);
        };
    };
}

/// Exports a type that implements [`Constraint`](crate::Constraint) as a `constraint` component.
#[macro_export]
macro_rules! export_constraint {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::glue::Exported<$plugin>;
    $crate::glue::description::export!(Exported with_types_in $crate::glue::description);
    $crate::glue::constraint::export!(Exported with_types_in $crate::glue::constraint);
        };
    };
}
