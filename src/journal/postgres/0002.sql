-- What holds an effect is not removed; that is looked up by the action.
create index hold_by_action on hold (tenant, action);
