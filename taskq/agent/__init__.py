"""Agents: queries that are answered in the background, by any function or by a model behind an HTTP API."""

from taskq.agent.aio import AsyncAgentExecutor
from taskq.agent.batch import batch_handler
from taskq.agent.chat import ChatModel
from taskq.agent.context import AgentContext
from taskq.agent.executor import AgentExecutor

__all__ = ["AgentContext", "AgentExecutor", "AsyncAgentExecutor", "ChatModel", "batch_handler"]
