-- What this read model knows of the events that were published. One row, for all instances.
CREATE TABLE sync_state (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- Numbers of the events that were taken in. A gap between two ranges was missed, or is still on its way.
  received int8multirange NOT NULL DEFAULT '{}',
  reconciled_at timestamptz
);
INSERT INTO sync_state DEFAULT VALUES;
