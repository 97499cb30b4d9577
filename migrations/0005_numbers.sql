-- A number is what its sequence says, above what its timeline adds; keys of locks leave 48 bits for both.
ALTER SEQUENCE vigil.session_numbers MAXVALUE 140737488355327;
ALTER SEQUENCE vigil.coordinator_numbers MAXVALUE 140737488355327;
