//! Security event tokens of the Shared Signals Framework, pushed and polled.
