-- What looks for sends must not pass by all that waits for its schedule. The words of the condition are those of the
-- statements that claim.
CREATE INDEX agenda_telling ON agenda (due_at, lane) WHERE due_at IS NOT NULL AND lane >= 'doc_' AND lane < 'doc`';
