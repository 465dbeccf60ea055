-- How many events were published: each carries its number, and a reader sees by it what it missed. One row.
CREATE TABLE publish_state (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  last_sequence bigint NOT NULL
);
INSERT INTO publish_state (last_sequence) VALUES (0);
